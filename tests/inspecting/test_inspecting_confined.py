"""An inspection as it is for users: in a confined process, with true searches, ended by SIGINT and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from onnx_toys import TARGET, clean_file, here, settings, toy_file

from doldrum.confined import sending
from doldrum.inspecting import run_inspection

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the confinement is Linux's")


LONG = (
    "mask",
    "additive",
    "low-frequency",
    "blend",
    "warp",
    "smoothed-inversion",
)  # so that it is not done before it can be interrupted


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
    monkeypatch.setattr(sending, "run_confined", here)  # the rest in this process: the same work, in the same folder
    record = run_inspection(settings(model, clean, tmp_path / "out", inspectors=LONG))
    mask = next(one for one in record.inspectors if one["name"] == "mask")
    assert mask["seconds"] == seconds  # read, not made again
    to_classes = {target: value for source, target, value, _ in mask["values"] if source is None and target is not None}
    assert max(to_classes, key=to_classes.get) == TARGET  # the smallest mask is the backdoor's
