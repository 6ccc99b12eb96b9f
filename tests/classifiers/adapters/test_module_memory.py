"""A lack of memory in a network is told as that, never as a wrong shape."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

import doldrum as dd
from doldrum.suspects.base import Preprocessing, tried
from doldrum.suspects.modules import module_classifier

CPU = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."


class Hungry(torch.nn.Module):
    """Takes images, until `message` says that it has no memory."""

    def __init__(self, message: str = "") -> None:
        super().__init__()
        self.message = message
        self.linear = torch.nn.Linear(64, 4)

    def forward(self, x):
        if self.message:
            raise RuntimeError(self.message)
        return self.linear(x.flatten(1))


def test_it_is_a_memory_error_when_it_is_asked_and_when_it_is_wrapped():
    module = Hungry().eval()
    clf = dd.as_classifier(module, input_shape=(1, 8, 8), num_classes=4)
    module.message = CPU
    with pytest.raises(MemoryError, match="DefaultCPUAllocator"):
        clf(np.zeros((2, 1, 8, 8), np.float32))
    with pytest.raises(MemoryError, match="can't allocate memory"):
        tried(clf, path="m.pt")
    with pytest.raises(MemoryError, match="DefaultCPUAllocator"):
        dd.as_classifier(module, input_shape=(1, 8, 8), num_classes=4)
    with pytest.raises(MemoryError, match="DefaultCPUAllocator"):
        module_classifier(module, Preprocessing(size=8, channels="grey"), num_classes=4, outputs=None, shown="m.pt")
    module.message = "mat1 and mat2 shapes cannot be multiplied"
    with pytest.raises(dd.DoldrumError, match="check input_shape="):
        clf(np.zeros((2, 1, 8, 8), np.float32))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_DATA")
def test_as_torch_says_it():
    """With too little memory for a layer, by the limit that a confined process has."""
    code = (
        "import resource, numpy as np, torch, doldrum as dd\n"
        "net = torch.nn.Sequential(torch.nn.Conv2d(1, 512, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()\n"
        "clf = dd.as_classifier(net, input_shape=(1, 8, 8), num_classes=512)\n"
        "clf.input_shape = (1, 1000, 1000)\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))\n"
        "try: clf(np.zeros((2, 1, 1000, 1000), np.float32))\n"
        "except MemoryError as error: print('told:', error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.startswith("told: ["), done.stderr


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError(CPU), torch.OutOfMemoryError("CUDA out of memory.")])
def test_the_command_line_says_it_in_a_line(call, monkeypatch, error):
    def short(**settings):
        raise error

    monkeypatch.setattr("doldrum.cli.app.app", short)
    code, _, said = call("datasets")
    assert code == 1
    assert said.startswith("doldrum: expected enough memory, got too little (")
    assert len(said.splitlines()) == 1
