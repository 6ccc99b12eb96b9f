"""OpenVINO's models come and go, and leave the process fit for signals: one Core, kept (classifiers/adapters/openvino.py)."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import gc, signal, subprocess, sys
import torch
from doldrum.classifiers import as_classifier
from doldrum.classifiers.adapters import openvino
from doldrum.engines.openvino import OpenVINOEngine

heard = []
signal.signal(signal.SIGCHLD, lambda number, frame: heard.append(number))  # as torch's DataLoader does, with workers
net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2)).eval()
clf = as_classifier(net, input_shape=(1, 2, 2), num_classes=2)
for _ in range(6):  # the last ones that ran are kept for a while, the others end
    OpenVINOEngine(clf, rows=4).run([(0, lambda x: x.fill(0))], lambda key, output: None)
openvino._recent.clear()
gc.collect()
subprocess.run([sys.executable, "-c", ""], check=True)
print(len(heard) > 0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no signal tells of a child's end there")
def test_a_signal_after_models_have_gone_is_heard() -> None:
    """The handler ran on a stack that the last Core had taken with it: a segmentation fault."""
    pytest.importorskip("openvino")
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr
