"""The default probes of a profile: families of perturbations, and clean images laid over the input."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from doldrum.detectors.contract.detector import Detector
from doldrum.probes import BandNoise, Contrast, Gaussian, PixelAblation, Probe, Shift, Warp, probe_from_dict

__all__ = ["OVERLAY", "OVERLAYS", "OfFamilies", "default_families", "reseeded"]

OVERLAYS = 19
"""The default number of images laid over each input."""
OVERLAY = "overlay"
"""The name under which the overlay probe is listed with the families."""


def default_families(input_shape: tuple[int, int, int]) -> dict[str, Probe]:
    """The default families of perturbations without overlays, with 44 draws in total. Shifts and warps are scaled to
    the image size."""
    return dict(_default_families(min(input_shape[1:])))


@cache  # a score asks for them
def _default_families(side: int) -> dict[str, Probe]:
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


class OfFamilies(Detector):
    """A base class of detectors that measure families of perturbations and overlays. Families and overlays can be
    given; otherwise the defaults are used."""

    families: dict[str, Probe] | None
    overlays: int | None

    def _given(self) -> Mapping[str, Probe]:
        """The families of perturbations without the overlays."""
        if self.families is not None:
            return self.families
        return default_families((1, 28, 28) if self.fitted_for is None else self.fitted_for[1])

    @property
    def _num_overlays(self) -> int:
        return (OVERLAYS if self.families is None else 0) if self.overlays is None else self.overlays


def reseeded(probe: Probe, seed: int) -> Probe:
    """A copy of the probe with the given seed. A probe that has no seed is returned unchanged."""
    settings = probe.to_dict()
    return probe_from_dict({**settings, "seed": seed}) if "seed" in settings else probe
