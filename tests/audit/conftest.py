"""The network for digits is trained once; audits run in this process unless a test says otherwise."""

from __future__ import annotations

import pytest
from audit_material import Material, here, make

from doldrum.audit import work
from doldrum.confined import sending as confined
from doldrum.confined.scanning import budget
from doldrum.opening import inside
from doldrum.suspects import Suspect

_known: dict[str, Suspect] = {}


def _opened(job):
    """Each model is opened once, so that its engines are built once."""
    if job["model"] not in _known:
        _known[job["model"]] = inside.open_suspect(job)
    return _known[job["model"]]


@pytest.fixture(scope="session")
def material(tmp_path_factory) -> Material:
    return make(tmp_path_factory.mktemp("victim"))


@pytest.fixture
def near(monkeypatch):
    """Audits without confinement, and with untimed forwards."""
    monkeypatch.setattr(confined, "run_confined", here)
    monkeypatch.setattr(work, "open_suspect", _opened)
    monkeypatch.setattr(budget, "seconds_per_forward", lambda classifier, images: 1e-4)
    monkeypatch.setattr(budget, "clock", lambda: 0.0)  # a busy machine is no reason to end early
