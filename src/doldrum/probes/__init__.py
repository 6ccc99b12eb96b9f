"""Probes: perturbations of the image or of the model, one kind (family) per file.

Not in this package: measurements with probes (`measuring`), and an attacker's changes of images (`triggers`).
"""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.probes.band_noise import BandNoise
from doldrum.probes.base import BoundProbe, ImageProbe, ModelProbe, Probe
from doldrum.probes.batch_norm_scale import BatchNormScale
from doldrum.probes.channel_ablation import ChannelAblation
from doldrum.probes.contrast import Contrast
from doldrum.probes.corruptions import CORRUPTIONS, Corruptions
from doldrum.probes.cutmix import CutMix
from doldrum.probes.dropout import Dropout
from doldrum.probes.flip import Flip
from doldrum.probes.gaussian import Gaussian
from doldrum.probes.geometry import Shift, Warp
from doldrum.probes.hybrid import Hybrid
from doldrum.probes.overlaid import OverlayProbe
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
    "CutMix",
    "Dropout",
    "Flip",
    "Gaussian",
    "Hybrid",
    "ImageProbe",
    "ModelProbe",
    "OverlayProbe",
    "PixelAblation",
    "Probe",
    "Scale",
    "Shift",
    "Superimpose",
    "Uniform",
    "Warp",
    "default_families",
    "overlay_draws",
    "overlay_families",
    "probe_from_dict",
    "with_settings",
]

AProbe = TypeVar("AProbe", bound=Probe)

_FAMILIES: dict[str, type[Any]] = {
    kind.family: kind
    for kind in (
        BandNoise,
        BatchNormScale,
        ChannelAblation,
        Contrast,
        Corruptions,
        CutMix,
        Dropout,
        Flip,
        Gaussian,
        Hybrid,
        PixelAblation,
        Scale,
        Shift,
        Superimpose,
        Uniform,
        Warp,
    )
}
OVERLAYS = 14
"""The default number of overlays of `SmoothnessProfile`: images that are laid over each input."""


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
        if not issubclass(_FAMILIES[family], OverlayProbe):
            return _FAMILIES[family](**rest)
        found = rest.pop("overlays_hash", None)
        if overlays is None:
            raise InputError("expected the overlays of this probe, got none; pass overlays=")
        probe = _FAMILIES[family](overlays, **rest)
    except TypeError as error:
        raise InputError(
            f"expected the settings of a {family} probe, got the settings {sorted(rest)}: {error}"
        ) from error
    if found != probe.overlays_hash:
        raise InputError(
            "expected the overlays with which this probe was made, got overlays with another hash; pass the original overlays"
        )
    return probe


def with_settings(probe: AProbe, **changed: Any) -> AProbe:
    """A copy of a probe without overlays, with some other settings. A setting that the probe does not have is ignored.

    >>> with_settings(Gaussian([0.1], draws=5), seed=7)
    Gaussian(strengths=[0.1], draws=5, seed=7, clip=False)
    """
    settings = probe.to_dict()
    known = {name: value for name, value in changed.items() if name in settings}
    made = probe_from_dict({**settings, **known}) if known else probe
    assert type(made) is type(probe)
    return made


def default_families(input_shape: tuple[int, int, int]) -> dict[str, ImageProbe]:
    """The default families of perturbations of `SmoothnessProfile`, without those that use overlays, with 35 draws in
    total. Shifts and warps are scaled to the image size.

    >>> sum(len(probe.strengths) * probe.draws for probe in default_families((1, 28, 28)).values())
    35
    """
    return dict(_default_families(min(input_shape[1:])))


@cache  # a score asks for them
def _default_families(side: int) -> dict[str, ImageProbe]:
    pixels = side / 28
    near, far = max(1, round(2 * pixels)), max(2, round(5 * pixels))
    return {
        "noise": Gaussian([0.1, 0.2, 0.4], draws=2),
        "ablation": PixelAblation([0.1, 0.3, 0.6], draws=2),
        "shift": Shift([near, far], draws=3),
        "warp": Warp([pixels, 3 * pixels], draws=3),
        "contrast": Contrast([0.4, 0.8], draws=2),
        "fine noise": BandNoise([0.2], low=0.3, high=0.75, draws=3),
        "flip": Flip(draws=4),
    }


def overlay_draws(overlays: int) -> dict[str, int]:
    """The number of draws of each family of `overlay_families`, for a number of overlays. Of 14 overlays, all are laid
    over the input, 8 are also used for halves, and 3 for hybrid images. Other numbers are divided in the same way.

    >>> overlay_draws(14)
    {'overlay': 14, 'cutmix': 8, 'hybrid': 3}
    """
    shares = {"overlay": 14, "cutmix": 8, "hybrid": 3}
    return {name: math.ceil(overlays * share / 14) for name, share in shares.items()} if overlays else {}


def overlay_families(overlays: NDArray[Any], draws: Mapping[str, int]) -> dict[str, OverlayProbe]:
    """The default families of `SmoothnessProfile` that put other images into the input, with the numbers of draws from
    `overlay_draws`. A family without draws is left out.

    With the default of 14 overlays, there are 28 draws.

    >>> import numpy as np
    >>> made = overlay_families(np.zeros((14, 1, 8, 8)), overlay_draws(OVERLAYS))
    >>> sum(len(probe.strengths) * probe.draws for probe in made.values())
    28
    """
    made: dict[str, OverlayProbe] = {}
    if n := draws.get("overlay"):
        made["overlay"] = Superimpose(overlays, [1.0], draws=n, mode="relative")
    if n := draws.get("cutmix"):
        made["cutmix"] = CutMix(overlays, [0.5], draws=n)
    if n := draws.get("hybrid"):
        made["hybrid"] = Hybrid(overlays, [3.0, 5.5], draws=n)
    return made
