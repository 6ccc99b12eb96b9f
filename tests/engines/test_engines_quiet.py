"""Converting a model tells nobody: no process is started, and OpenVINO's telemetry is never imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import multiprocessing, os, sys

def refuse(*args, **kwargs):
    raise SystemExit("a process was started")

multiprocessing.Process.start = os.fork = refuse
import numpy as np, torch
import doldrum as dd

net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4)).eval()
clf = dd.as_classifier(net, input_shape=(1, 8, 8), num_classes=4)
x = np.random.default_rng(0).random((4, 1, 8, 8), dtype=np.float32)
r = dd.measure(clf, x, dd.probes.Gaussian([0.1], draws=5), engine="openvino-fp32", progress=False)
assert r.info["engine"]["engine"] == "openvino"
print([name for name in sys.modules if name.startswith("openvino_telemetry") and sys.modules[name]])
"""


def test_converting_a_model_starts_no_process() -> None:
    pytest.importorskip("openvino")
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_no_test_lets_telemetry_in() -> None:
    """Not even one that imports OpenVINO first, as several do: it cost the tests a third of their time."""
    pytest.importorskip("openvino")
    assert [name for name, found in sys.modules.items() if name.startswith("openvino_telemetry") and found] == []
