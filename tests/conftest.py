"""Shared pieces: a small seeded network and images for unit tests."""

from __future__ import annotations

import json
import os
import random
import secrets
import sys
import tempfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from small_nets import small_net

import doldrum as dd
from doldrum.measuring import Measurement
from doldrum.training import RECIPES

# A test that imports OpenVINO before our engine does would let its telemetry in: a dozen processes with each conversion.
sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]

# Which engine "auto" takes is remembered for this run of the tests only, not in the user's cache.
os.environ.setdefault("DOLDRUM_ENGINES", tempfile.mkdtemp(prefix="doldrum-engines-"))

# A busy machine is no failure, and each run tries the same examples.
hypothesis_settings.register_profile(
    "same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("same")

# Seeds that are fresh and secret by default are the same in every run of a test: bad luck fails always or never.
_SECRETS = random.Random()
secrets.randbits = _SECRETS.getrandbits


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef) -> None:
    _SECRETS.seed(f"{fixturedef.baseid}/{fixturedef.argname}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    _SECRETS.seed(item.nodeid)


# One thread: the same weights on a busy machine, in a tenth of the time.
for name in ("digits-mlp", "digits-cnn"):
    RECIPES[name] = replace(RECIPES[name], threads=1)


@pytest.fixture(scope="session")
def net() -> torch.nn.Module:
    return small_net()


@pytest.fixture(scope="session")
def clf(net: torch.nn.Module) -> dd.Classifier:
    return dd.as_classifier(net, input_shape=(1, 8, 8), num_classes=4)


@pytest.fixture(scope="session")
def images() -> np.ndarray:
    return np.random.default_rng(0).random((20, 1, 8, 8), dtype=np.float32)


@pytest.fixture
def one_engine(monkeypatch) -> None:
    """For tests that compare two runs which each choose an engine: others round otherwise, and with AMX far otherwise."""
    monkeypatch.setattr("doldrum.engines.choose.candidates", lambda classifier: [("eager", "fp32")])


@pytest.fixture
def call(monkeypatch, capsys):
    """Run the command line in this process: (exit code, JSON or text on stdout, stderr)."""

    from doldrum.cli import main

    def run(*words: object):
        monkeypatch.setattr(sys, "argv", ["doldrum", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        got = capsys.readouterr()
        return end.value.code, json.loads(got.out) if "--json" in words and got.out else got.out, got.err

    return run


@pytest.fixture
def cut_off(monkeypatch):
    """Have a measurement end in Ctrl-C after so many of its chunks."""

    def cut(run: Measurement, after: int) -> None:
        chunks = run.chunks

        def some(start: int = 0):
            for i, chunk in enumerate(chunks(start)):
                if i == after:
                    raise KeyboardInterrupt
                yield chunk

        monkeypatch.setattr(run, "chunks", some)

    return cut
