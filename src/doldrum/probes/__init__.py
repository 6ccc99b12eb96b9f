"""Probes: perturbations of the image or of the model, one kind (family) per file.

Not in this package: measurements with probes (`measuring`), and an attacker's changes of images (`triggers`).
"""

from functools import cache
from typing import Any

from doldrum.errors import InputError
from doldrum.probes.band_noise import BandNoise
from doldrum.probes.base import BoundProbe, ImageProbe, ModelProbe, Probe
from doldrum.probes.batch_norm_scale import BatchNormScale
from doldrum.probes.channel_ablation import ChannelAblation
from doldrum.probes.contrast import Contrast
from doldrum.probes.corruptions import CORRUPTIONS, Corruptions
from doldrum.probes.dropout import Dropout
from doldrum.probes.gaussian import Gaussian
from doldrum.probes.geometry import Shift, Warp
from doldrum.probes.pixel_ablation import PixelAblation
from doldrum.probes.scale import Scale
from doldrum.probes.superimpose import Superimpose
from doldrum.probes.uniform import Uniform

__all__ = [
    "CORRUPTIONS",
    "OVERLAYS",
    "BandNoise",
    "BatchNormScale",
    "BoundProbe",
    "ChannelAblation",
    "Contrast",
    "Corruptions",
    "Dropout",
    "Gaussian",
    "ImageProbe",
    "ModelProbe",
    "PixelAblation",
    "Probe",
    "Scale",
    "Shift",
    "Superimpose",
    "Uniform",
    "Warp",
    "default_families",
    "probe_from_dict",
]

_FAMILIES: dict[str, type[Any]] = {
    kind.family: kind
    for kind in (
        BandNoise,
        BatchNormScale,
        ChannelAblation,
        Contrast,
        Corruptions,
        Dropout,
        Gaussian,
        PixelAblation,
        Scale,
        Shift,
        Superimpose,
        Uniform,
        Warp,
    )
}
OVERLAYS = 19
"""The default number of images that `SmoothnessProfile` lays over each input."""


def probe_from_dict(settings: dict[str, Any], *, overlays: Any = None) -> Probe:
    """Rebuild a probe from its `to_dict()`.

    If the probe has overlays, pass the overlays too; their hash is compared with the saved hash.

    >>> probe_from_dict(Gaussian([0.1], draws=5).to_dict())
    Gaussian(strengths=[0.1], draws=5, seed=0, clip=False)
    """
    rest = dict(settings)
    family = rest.pop("family", None)
    if family not in _FAMILIES:
        raise InputError(f"expected a probe family among {sorted(_FAMILIES)}, got {family!r}")
    try:
        if family != Superimpose.family:
            return _FAMILIES[family](**rest)
        found = rest.pop("overlays_hash", None)
        if overlays is None:
            raise InputError("expected the overlays of this probe, got none; pass overlays=")
        probe = Superimpose(overlays, **rest)
    except TypeError as error:
        raise InputError(
            f"expected the settings of a {family} probe, got the settings {sorted(rest)}: {error}"
        ) from error
    if found != probe.overlays_hash:
        raise InputError(
            "expected the overlays with which this probe was made, got overlays with another hash; pass the original overlays"
        )
    return probe


def default_families(input_shape: tuple[int, int, int]) -> dict[str, ImageProbe]:
    """The default families of perturbations of `SmoothnessProfile`, without its overlays, with 44 draws in total. Shifts
    and warps are scaled to the image size.

    >>> sum(len(probe.strengths) * probe.draws for probe in default_families((1, 28, 28)).values())
    44
    """
    return dict(_default_families(min(input_shape[1:])))


@cache  # a score asks for them
def _default_families(side: int) -> dict[str, ImageProbe]:
    pixels = side / 28
    near, far = max(1, round(2 * pixels)), max(2, round(5 * pixels))
    return {
        "noise": Gaussian([0.1, 0.2, 0.4], draws=3),
        "ablation": PixelAblation([0.1, 0.3, 0.6], draws=3),
        "shift": Shift([near, far], draws=4),
        "warp": Warp([pixels, 3 * pixels], draws=4),
        "contrast": Contrast([0.4, 0.8], draws=3),
        "fine noise": BandNoise([0.2], low=0.3, high=0.75, draws=4),
    }
