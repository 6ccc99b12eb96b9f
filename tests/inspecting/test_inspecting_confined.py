"""One inspection as it is for users: in confined processes, the true search, interrupted by SIGINT and gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from onnx_toys import clean_file, toy_file

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the confinement is Linux's")


def test_interrupted_and_gone_on_with(tmp_path):
    toy_file(tmp_path / "bad.onnx", 1, backdoor=True, classes=6)
    clean_file(tmp_path / "clean.npy", 120, classes=6)
    code = "from doldrum.cli import main; main()"
    words = ["inspect", "bad.onnx", "--clean", "clean.npy", "--inspectors", "mask,warp", "--out", "out", "--json"]
    command = [sys.executable, "-W", "ignore", "-c", code, *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    kept = tmp_path / "out" / "work" / "reading-mask.json"
    while not kept.exists() and first.poll() is None:
        time.sleep(0.02)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 130, said
    assert "finished inspectors are kept in out: the same command continues from there" in said
    before = kept.stat().st_mtime_ns
    read = kept.read_text()
    second = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    found = json.loads(second.stdout)
    mask = next(one for one in found["inspectors"] if one["name"] == "mask")
    assert mask["seconds"] == json.loads(read)["seconds"]  # read, not made again
    assert before
    assert found["finding"]["target"] == 2
    assert second.returncode == found["verdict"]["exit_code"]
    assert (tmp_path / "out" / "report.html").is_file()
