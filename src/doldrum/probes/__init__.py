"""Probes: perturbations of the image or of the model, one kind (family) per file.

Not in this package: measurements with probes (`measuring`), and an attacker's changes of images (`triggers`).
"""

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
