"""Checks that a detector's class is complete. These checks run before any work, and their error messages are for the
author of the class."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from doldrum.detectors.contract.hooks import Hooks
from doldrum.errors import InputError

__all__ = ["check_definition", "check_learned", "check_probes"]

_NEEDS = ("labels", "scores", "weights")


def check_definition(detector: Hooks) -> None:
    """Raise InputError unless the detector's class has a name, a valid `needs`, and an attribute for each setting, with
    the same name as the setting."""
    kind = type(detector)
    if not isinstance(getattr(detector, "name", None), str) or not detector.name:
        raise InputError(
            f"expected a detector with a name, got none in {kind.__name__}; write name = 'my-detector' in it"
        )
    if detector.needs not in _NEEDS:
        raise InputError(
            f"expected needs of the class {kind.__name__} to be one of {', '.join(_NEEDS)}, got {detector.needs!r}; pick one of these"
        )
    if "seed_" not in vars(detector):
        raise InputError(
            f"expected {kind.__name__}.__init__ to call super().__init__(seed=seed), got no such call; add this call"
        )
    settings = [n for n in inspect.signature(kind.__init__).parameters if n != "self"]
    missing = [n for n in settings if not hasattr(detector, n)]
    if missing:
        raise InputError(
            f"expected the class {kind.__name__} to store each setting in an attribute of the same name, got no attribute for {', '.join(missing)}; write "
            f"self.{missing[0]} = {missing[0]} in __init__"
        )


def check_learned(detector: Hooks) -> None:
    """Raise InputError unless the detector has all attributes that `learned` lists."""
    missing = [n for n in detector.learned if not hasattr(detector, n)]
    if missing:
        raise InputError(
            f"expected the detector {type(detector).__name__} to set the attributes that `learned` lists, got no value for {', '.join(missing)}; set these attributes in "
            "prepare or learn"
        )


def check_probes(detector: Hooks, probes: object) -> None:
    """Raise InputError unless the detector's method `probes` has returned a mapping."""
    if not isinstance(probes, Mapping):
        raise InputError(
            f"expected {type(detector).__name__}.probes to return a dict of names and probes, got {type(probes).__name__}; "
            "e.g. {'noise': Gaussian([0.1], seed=self.probe_seed('noise'))}"
        )
