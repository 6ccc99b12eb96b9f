"""Families of perturbations, one a file."""

from doldrum.errors import InputError
from doldrum.probes.base import BoundProbe, Probe
from doldrum.probes.gaussian import Gaussian

__all__ = ["BoundProbe", "Gaussian", "Probe", "probe_from_dict"]

_FAMILIES: dict[str, type[Probe]] = {Gaussian.family: Gaussian}


def probe_from_dict(settings: dict) -> Probe:
    """Make a probe again from its `to_dict()`.

    >>> probe_from_dict(Gaussian([0.1], draws=5).to_dict())
    Gaussian(strengths=[0.1], draws=5, seed=0, clip=False)
    """
    rest = dict(settings)
    family = rest.pop("family", None)
    if family not in _FAMILIES:
        raise InputError(f"expected a probe family of {sorted(_FAMILIES)}, got {family!r}")
    return _FAMILIES[family](**rest)
