"""Families of perturbations, of the image or of the model; one a file."""

from typing import Any

from doldrum.errors import InputError
from doldrum.probes.band_noise import BandNoise
from doldrum.probes.base import BoundProbe, ImageProbe, ModelProbe, Probe
from doldrum.probes.gaussian import Gaussian
from doldrum.probes.pixel_ablation import PixelAblation
from doldrum.probes.uniform import Uniform

__all__ = [
    "BandNoise",
    "BoundProbe",
    "Gaussian",
    "ImageProbe",
    "ModelProbe",
    "PixelAblation",
    "Probe",
    "Uniform",
    "probe_from_dict",
]

_FAMILIES: dict[str, type[Any]] = {
    kind.family: kind
    for kind in (
        BandNoise,
        Gaussian,
        PixelAblation,
        Uniform,
    )
}


def probe_from_dict(settings: dict[str, Any]) -> Probe:
    """Make a probe again from its `to_dict()`.

    >>> probe_from_dict(Gaussian([0.1], draws=5).to_dict())
    Gaussian(strengths=[0.1], draws=5, seed=0, clip=False)
    """
    rest = dict(settings)
    family = rest.pop("family", None)
    if family not in _FAMILIES:
        raise InputError(f"expected a probe family of {sorted(_FAMILIES)}, got {family!r}")
    return _FAMILIES[family](**rest)
