"""doldrum calibrate and scan from outside; scans that are cut off go on."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from doldrum.data import ImageSet
from doldrum.detectors import MaxSoftmax, W, scanning
from doldrum.detectors.scanning import scan_to
from doldrum.errors import InputError


@pytest.fixture(scope="module")
def pool():
    return ImageSet(np.random.default_rng(1).random((400, 1, 8, 8), dtype=np.float32))


def test_a_scan_that_is_cut_off_goes_on(clf, pool, tmp_path, monkeypatch):
    monkeypatch.setattr(scanning, "_SHARD", 30)
    det = W(strength=0.2, draws=3).fit(clf, pool.take(range(2))).calibrate(pool.take(range(2, 200)), fpr=0.05)
    new = pool.take(range(200, 330))
    whole = scan_to(det, new, tmp_path / "whole", progress=False)
    scanned = []
    real = W.scan

    def scan(self, images):
        if len(scanned) == 2:
            raise KeyboardInterrupt
        scanned.append(len(images))
        return real(self, images)

    monkeypatch.setattr(W, "scan", scan)
    with pytest.raises(KeyboardInterrupt):
        scan_to(det, new, tmp_path / "cut", progress=False)
    assert json.loads((tmp_path / "cut" / "manifest.json").read_text())["complete"] is False
    monkeypatch.setattr(W, "scan", lambda self, images: scanned.append(len(images)) or real(self, images))
    again = scan_to(det, new, tmp_path / "cut", progress=False)
    assert scanned == [30, 30, 30, 30, 10]
    assert again == whole
    frames = [
        pd.concat([pd.read_parquet(p) for p in sorted((tmp_path / f).glob("*.parquet"))]) for f in ("whole", "cut")
    ]
    assert frames[0].equals(frames[1])
    direct = det.scan(new)
    assert (frames[0]["score"].to_numpy() == direct.scores).all()
    assert (whole["flagged"], whole["limit"]) == (direct.num_flagged, direct.limit)


def test_a_folder_of_something_else_is_refused(clf, pool, tmp_path):
    det = MaxSoftmax(seed=0).fit(clf, pool.take(range(2))).calibrate(pool.take(range(2, 200)), fpr=0.05)
    scan_to(det, pool.take(range(200, 210)), tmp_path / "a", progress=False)
    with pytest.raises(InputError, match="holds something else"):
        scan_to(det, pool.take(range(200, 211)), tmp_path / "a", progress=False)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        scan_to(det, pool, tmp_path / "b", progress=False)
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == ["notes.txt"]


@pytest.fixture(scope="module")
def folder(net, pool, tmp_path_factory):
    import torch

    here = tmp_path_factory.mktemp("cli")
    torch.onnx.export(
        net,
        (torch.zeros(2, 1, 8, 8),),
        str(here / "net.onnx"),
        dynamo=False,
        dynamic_axes={"x": {0: "n"}},
        input_names=["x"],
    )
    np.save(here / "clean.npy", pool.images[:300])
    np.save(here / "new.npy", pool.images[300:])
    return here


def doldrum(folder, *words):
    command = [sys.executable, "-c", "from doldrum.cli import main; main()", *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.mark.filterwarnings("ignore")
def test_calibrate_and_scan_from_the_shell(folder, clf, pool):
    done = doldrum(
        folder,
        "calibrate",
        "net.onnx",
        "clean.npy",
        "--detector",
        "max-softmax",
        "--fpr",
        "0.05",
        "--out",
        "guard.doldrum",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["calibration"] == 150
    done = doldrum(
        folder, "scan", "net.onnx", "new.npy", "--detector", "guard.doldrum", "--out", "clean-scan", "--json"
    )
    summary = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert not summary["suspicious"]
    rows = pd.read_parquet(folder / "clean-scan" / "part-00000.parquet")
    assert rows["flag"].sum() == summary["flagged"]
    confident = pool.images[np.argsort(clf(pool.images).max(axis=1))[-60:]]
    np.save(folder / "odd.npy", confident)
    done = doldrum(folder, "scan", "net.onnx", "odd.npy", "--detector", "guard.doldrum", "--out", "odd-scan")
    assert done.returncode == 3, done.stderr
    assert "more than clean images explain" in done.stderr
    shutil.copy(folder / "net.onnx", folder / "copy.onnx")
    done = doldrum(folder, "calibrate", "copy.onnx", "clean.npy", "--fpr", "0.001", "--out", "g")
    assert done.returncode == 2
    assert "expected at least 999 images besides those of fit" in done.stderr
