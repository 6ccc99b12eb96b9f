"""What a profile measures: families of perturbations, and clean images laid over the input."""

from __future__ import annotations

from collections.abc import Mapping

from doldrum.detectors.contract.detector import Detector
from doldrum.probes import OVERLAYS, Probe, default_families, overlay_draws

__all__ = ["FEWEST", "RESERVED", "OfFamilies"]

FEWEST = 10
"""The smallest number of clean inputs that a profile is fitted on."""

RESERVED = tuple(overlay_draws(OVERLAYS))
"""The names under which the families with overlays are listed."""


class OfFamilies(Detector):
    """A base class of detectors that measure families of perturbations and overlays. Families and overlays can be
    given; otherwise the defaults are used."""

    families: dict[str, Probe] | None
    overlays: int | None

    @property
    def fewest(self) -> int:
        return FEWEST

    def _given(self) -> Mapping[str, Probe]:
        """The families of perturbations without the overlays."""
        if self.families is not None:
            return self.families
        return default_families((1, 28, 28) if self.fitted_for is None else self.fitted_for[1])

    @property
    def _num_overlays(self) -> int:
        return (OVERLAYS if self.families is None else 0) if self.overlays is None else self.overlays
