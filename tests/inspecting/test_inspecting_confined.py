"""An inspection as it is for users: in a confined process, with true searches, ended by SIGINT and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from onnx_toys import TARGET, Quick, clean_file, here, references, settings, toy_file

from doldrum.confined import sending
from doldrum.inspecting import run_inspection
from doldrum.inspectors.kinds import INSPECTORS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the confinement is Linux's")


LONG = ("mask", "smoothed-inversion")  # the second so that it is not done before it can be interrupted


class Stub(Quick):
    """In the place of the second, when the first is to be read and not made."""

    name = "smoothed-inversion"


def test_interrupted_and_gone_on_with(tmp_path, monkeypatch):
    model, clean = toy_file(tmp_path / "bad.onnx", 1, backdoor=True), clean_file(tmp_path / "clean.npy")
    code = "from doldrum.cli import main; main()"
    words = ["inspect", "bad.onnx", "--clean", "clean.npy", "--inspectors", ",".join(LONG), "--out", "out"]
    command = [sys.executable, "-W", "ignore", "-c", code, *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    heeded = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731  (what starts the tests may ignore it)
    first = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=heeded
    )
    kept = tmp_path / "out" / "work" / "reading-mask.json"
    while not kept.exists() and first.poll() is None:
        time.sleep(0.02)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 130, said
    assert "finished inspectors are kept in out; run the same command again to continue" in said
    seconds = json.loads(kept.read_text())["seconds"]
    monkeypatch.setitem(INSPECTORS, "smoothed-inversion", Stub)
    monkeypatch.setattr(sending, "run_confined", here)  # the rest in this process: the same work, in the same folder
    record = run_inspection(settings(model, clean, tmp_path / "out", inspectors=LONG))
    mask = next(one for one in record.inspectors if one["name"] == "mask")
    assert mask["seconds"] == seconds  # read, not made again
    to_classes = {target: value for source, target, value, _ in mask["values"] if source is None and target is not None}
    assert max(to_classes, key=to_classes.get) == TARGET  # the smallest mask is the backdoor's


def test_two_workers_find_what_one_finds(tmp_path, monkeypatch):
    from doldrum.inspecting import references as examined
    from doldrum.inspecting.references import Shelf

    model, clean = toy_file(tmp_path / "bad.onnx", 1, backdoor=True), clean_file(tmp_path / "clean.npy")
    found = []
    for workers in (2, 1):
        refs = references(tmp_path / f"refs{workers}", 2)
        asked = settings(
            model, clean, tmp_path / "out", references=str(refs), fpr=0.34, inspectors=("local-dominant",), workers=workers
        )  # fmt: skip
        shelf = Shelf.of(asked)
        shelf.examine(asked.to_dict(), progress=False, say=lambda line: None)
        found.append([
            (one["name"], [(r["inspector"], r["refused"], r["values"]) for r in one["examination"]["readings"]])
            for one in shelf.examinations()
        ])  # fmt: skip
        monkeypatch.setattr(examined, "run_confined", here)  # the second time, in this process
    assert found[0] == found[1]
    assert all(values for _, readings in found[0] for _, _, values in readings)
