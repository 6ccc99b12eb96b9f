"""The network for digits is trained once; audits run in this process unless a test says otherwise."""

from __future__ import annotations

import pytest
from answers import Answered
from audit_material import Material, here, make, settings

from doldrum.audit import run_audit, work
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
    _bring_near(monkeypatch)


def _bring_near(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(confined, "run_confined", here)
    patch.setattr(work, "open_suspect", _opened)
    patch.setattr(budget, "seconds_per_forward", lambda classifier, images: 1e-4)
    patch.setattr(budget, "clock", lambda: 0.0)  # a busy machine is no reason to end early


@pytest.fixture(scope="session")
def answered(material, tmp_path_factory) -> Answered:
    """One audit of images 200 to 259 with images 0 to 199 as clean ones, for all tests that spoil its answer."""
    folder, answered = tmp_path_factory.mktemp("answered"), Answered()
    with pytest.MonkeyPatch.context() as patch:
        _bring_near(patch)
        patch.setattr(confined, "run_confined", answered.keeping(here, folder / "kept"))
        run_audit(settings(material, folder, material.images[:200], material.images[200:260], small=True))
    return answered
