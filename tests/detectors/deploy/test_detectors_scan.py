"""doldrum calibrate and scan from outside; scans that are cut off go on."""

from __future__ import annotations

import json
import shutil
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from doldrum.data import ImageSet
from doldrum.detectors import MaxSoftmax, SmoothnessProfile, StagedProfile, W, load_detector
from doldrum.detectors.contract import splitting
from doldrum.detectors.deploy import scanning
from doldrum.detectors.deploy.scanning import scan_to
from doldrum.errors import InputError
from doldrum.locks import locked


@pytest.fixture(scope="module")
def pool():
    return ImageSet(np.random.default_rng(1).random((400, 1, 8, 8), dtype=np.float32))


@pytest.mark.parametrize(
    "make", [lambda: W(strength=0.2, draws=3), SmoothnessProfile, StagedProfile], ids=["w", "profile", "staged"]
)
def test_a_scan_that_is_cut_off_goes_on(make, clf, pool, tmp_path, monkeypatch):
    monkeypatch.setattr(scanning, "_SHARD", 30)
    det = make().fit(clf, pool.take(range(60))).calibrate(pool.take(range(60, 200)), fpr=0.05)
    new = pool.take(range(200, 330))
    whole = scan_to(det, new, tmp_path / "whole", progress=False)
    scanned = []
    kind, real = type(det), type(det).scan

    def scan(self, images):
        if len(scanned) == 2:
            raise KeyboardInterrupt
        scanned.append(len(images))
        return real(self, images)

    monkeypatch.setattr(kind, "scan", scan)
    with pytest.raises(KeyboardInterrupt):
        scan_to(det, new, tmp_path / "cut", progress=False)
    assert json.loads((tmp_path / "cut" / "manifest.json").read_text())["complete"] is False
    monkeypatch.setattr(kind, "scan", lambda self, images: scanned.append(len(images)) or real(self, images))
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
    assert whole["mean_forwards"] == pytest.approx(direct.mean_forwards)


def test_a_folder_of_something_else_is_refused(clf, pool, tmp_path):
    det = MaxSoftmax(seed=0).fit(clf, pool.take(range(2))).calibrate(pool.take(range(2, 200)), fpr=0.05)
    scan_to(det, pool.take(range(200, 210)), tmp_path / "a", progress=False)
    with pytest.raises(
        InputError, match=r"got a scan with inputs=11 \(it began with inputs=10\); run the earlier scan again"
    ):
        scan_to(det, pool.take(range(200, 211)), tmp_path / "a", progress=False)
    with pytest.raises(
        InputError, match=r"got a scan with other images, or another detector's file; run the earlier scan again"
    ):
        scan_to(det, pool.take(range(201, 211)), tmp_path / "a", progress=False)
    with pytest.raises(InputError, match=r"got a scan with fdr=0.2 \(it began with fdr=0.1\)"):
        scan_to(det, pool.take(range(200, 210)), tmp_path / "a", fdr=0.2, progress=False)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        scan_to(det, pool, tmp_path / "b", progress=False)
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == ["notes.txt"]


def test_damaged_shards_are_scanned_again_and_a_finished_scan_is_read(clf, pool, tmp_path, monkeypatch):
    monkeypatch.setattr(scanning, "_SHARD", 30)
    det = MaxSoftmax(seed=0).fit(clf, pool.take(range(2))).calibrate(pool.take(range(2, 200)), fpr=0.05)
    new, out = pool.take(range(200, 330)), tmp_path / "s"
    whole = scan_to(det, new, out, progress=False)
    files = {p.name: p.read_bytes() for p in out.iterdir()}
    scanned, real = [], MaxSoftmax.scan
    monkeypatch.setattr(MaxSoftmax, "scan", lambda self, images: scanned.append(len(images)) or real(self, images))
    assert scan_to(det, new, out, progress=False) == whole
    assert not scanned
    data = bytearray(files["part-00003.parquet"])
    data[len(data) // 2] ^= 1
    (out / "part-00003.parquet").write_bytes(data)
    with pytest.warns(
        UserWarning,
        match=r"part-00003.parquet in .* damaged shard; this shard and all shards after it \(1\) are scanned again",
    ):
        assert scan_to(det, new, out, progress=False) == whole
    assert scanned == [30, 10]
    (out / "part-00001.parquet").unlink()
    with pytest.warns(UserWarning, match="part-00001"):
        assert scan_to(det, new, out, progress=False) == whole
    assert {p.name: p.read_bytes() for p in out.iterdir()} == files


def test_a_folder_takes_one_scan_at_a_time_and_must_be_writable(clf, pool, tmp_path):
    det = MaxSoftmax(seed=0).fit(clf, pool.take(range(2))).calibrate(pool.take(range(2, 200)), fpr=0.05)
    (tmp_path / "a").mkdir()
    with locked(tmp_path / "a"), pytest.raises(InputError, match="one run at a time"):
        scan_to(det, pool, tmp_path / "a", progress=False)
    (tmp_path / "file").write_text("mine")
    for wrong in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"expected a (new|folder)"):
            scan_to(det, pool, wrong, progress=False)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.fixture(scope="module")
def folder(net, pool, tmp_path_factory):
    import torch

    here = tmp_path_factory.mktemp("cli")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
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


def test_calibrate_and_scan_from_the_shell(folder, clf, pool, call, monkeypatch):
    monkeypatch.chdir(folder)
    settings = ("--detector", "max-softmax", "--fpr", "0.05", "--out", "guard.doldrum", "--json")
    code, told, err = call("calibrate", "net.onnx", "clean.npy", *settings)
    assert code == 0, err
    assert told["calibration"] == 150
    scan = ("--detector", "guard.doldrum", "--out")
    code, summary, err = call("scan", "net.onnx", "new.npy", *scan, "clean-scan", "--json")
    assert code == 0, err
    assert not summary["suspicious"]
    assert summary["watch"]["kind"] == "as calibrated"
    assert summary["watch"]["words"] in err
    rows = pd.read_parquet(folder / "clean-scan" / "part-00000.parquet")
    assert rows["flag"].sum() == summary["flagged"]
    confident = pool.images[np.argsort(clf(pool.images).max(axis=1))[-60:]]
    np.save(folder / "odd.npy", confident)
    code, _, err = call("scan", "net.onnx", "odd.npy", *scan, "odd-scan")
    assert code == 3, err
    assert "more flags than expected from clean images alone" in err
    assert "no longer like the calibration images" in err
    assert "calibrate again: such images" in err
    shutil.copy(folder / "net.onnx", folder / "copy.onnx")
    code, _, err = call("calibrate", "copy.onnx", "clean.npy", "--fpr", "0.001", "--out", "g")
    assert code == 2
    assert "expected at least 1009 clean images for --fpr 0.001" in err


def test_a_folder_and_an_archive_give_what_arrays_give_and_leave_nothing_behind(folder, call, monkeypatch):
    """Images are decoded beside --out, and gone when the command ends; copies are named before any work."""
    monkeypatch.chdir(folder)
    x = np.random.default_rng(0).integers(0, 256, (250, 1, 8, 8), dtype=np.uint8)
    np.save("x.npy", x)
    (folder / "photos").mkdir()
    for i, image in enumerate(x):
        Image.fromarray(image[0]).save(folder / "photos" / f"{i:03d}.png")
    (folder / "photos" / "zz.png").write_text("no image")
    with zipfile.ZipFile("photos.zip", "w") as file:
        for image in sorted((folder / "photos").iterdir()):
            file.write(image, image.name)
    settings = ("--detector", "max-softmax", "--fpr", "0.05", "--seed", 1, "--json")
    found, scanned = [], []
    for i, source in enumerate(("x.npy", "photos", "photos.zip")):
        code, _, err = call("calibrate", "net.onnx", source, *settings, "--out", f"{i}.doldrum")
        assert code == 0, err
        assert ("skipped zz.png" in err) == (i > 0)
        found.append(load_detector(f"{i}.doldrum"))
        code, summary, err = call("scan", "net.onnx", source, "--detector", "0.doldrum", "--out", f"scan-{i}", "--json")
        assert code == 0, err
        assert len(summary["skipped"]) == (i > 0)
        scanned.append(pd.read_parquet(f"scan-{i}/part-00000.parquet"))
    assert [sorted(d.calibration.scores) for d in found] == [sorted(found[0].calibration.scores)] * 3
    assert (scanned[0]["p_value"] == scanned[1]["p_value"]).all()
    assert scanned[1].equals(scanned[2])
    assert not list(folder.rglob("*.part"))
    shutil.copytree("photos", "photos/copies")
    code, _, err = call("calibrate", "net.onnx", "photos", *settings, "--out", "c.doldrum")
    assert code == 2
    assert "expected clean images that differ, got copies" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("calibrate", "net.onnx", "clean.npy", "--out", "."), "expected a file for --out, got the folder"),
        (("calibrate", "net.onnx", "clean.npy", "--fpr", 2, "--out", "g"), "a false-positive rate in"),
        (
            ("calibrate", "net.onnx", "clean.npy", "--detector", "psbd", "--out", "g"),
            "expected a torch network for psbd",
        ),
        (("scan", "net.onnx", "new.npy", "--detector", "net.onnx", "--fdr", 0, "--out", "s"), "a false-discovery rate"),
        (
            ("scan", "net.onnx", "new.npy", "--detector", "net.onnx", "--out", "net.onnx"),
            "which is a file; name another",
        ),
        (("scan", "net.onnx", "new.npy", "--detector", "net.onnx", "--out", "s"), "expected a detector's file"),
    ],
    ids=str,
)
def test_what_cannot_work_is_said_before_any_image_is_read(words, said, folder, call, monkeypatch):
    monkeypatch.chdir(folder)

    def read(*_, **__):
        raise AssertionError("images were read")

    monkeypatch.setattr("doldrum.cli.commands.detect.stored_images", read)
    code, _, err = call(*words)
    assert code == 2
    assert said in err
    assert not (folder / "s").exists()


def test_many_images_are_dealt_into_a_file(monkeypatch):
    images = ImageSet(np.random.default_rng(0).integers(0, 256, (50, 1, 8, 8), dtype=np.uint8), np.arange(50) % 3)
    plain = splitting.fit_and_calibration(images, 20)
    monkeypatch.setattr(splitting, "_IN_MEMORY", 500)
    for part, mapped in zip(plain, splitting.fit_and_calibration(images, 20), strict=True):
        assert isinstance(mapped.images, np.memmap)
        assert (mapped.images == part.images).all()
        assert (mapped.ids, mapped.labels.tolist()) == (part.ids, part.labels.tolist())
