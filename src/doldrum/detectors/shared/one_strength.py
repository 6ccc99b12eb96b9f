"""OneStrength: the base class of detectors that use Gaussian noise with only one strength.

The default strength is sigma-half, which is computed from clean inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.detectors.contract.detector import Detector
from doldrum.errors import InputError
from doldrum.measuring import measure
from doldrum.probes import Gaussian, Probe
from doldrum.profiles import sigma_half, smoothness

__all__ = ["GRID", "OneStrength"]

GRID = (0.02, 0.035, 0.06, 0.1, 0.15, 0.22, 0.32, 0.47, 0.7, 1.0, 1.5, 2.3, 3.5)
_GRID_DRAWS, _GRID_INPUTS = 20, 250


class OneStrength(Detector):
    """A detector whose probe "noise" adds Gaussian noise with one strength. `draws` is the number of noisy copies. The
    strength is stored in `strength_`.

    By default, the strength is sigma-half: the smallest strength at which mean W of clean inputs is half of its peak.
    Up to 250 inputs of `fit` are used to find sigma-half, with 260 forward passes each. A subclass defines `score`. A
    subclass may also define `grid_seed`, the seed of the draws that find the strength.
    """

    learned: ClassVar[tuple[str, ...]] = ("strength_",)

    def __init__(self, *, draws: int = 100, strength: float | None = None, seed: int | None = None) -> None:
        super().__init__(seed=seed)
        Gaussian([0.1 if strength is None else strength], draws=draws)  # refuses what is no strength or number of draws
        self.draws, self.strength = draws, strength
        self.strength_: float | None = strength

    def grid_seed(self) -> int:
        """Seed of the draws that find the strength."""
        return self.probe_seed("grid")

    def prepare(self, classifier: Classifier, clean: ImageSet) -> None:
        self.strength_ = self.strength
        if self.strength is None:
            probe = Gaussian(GRID, draws=_GRID_DRAWS, seed=self.grid_seed())
            some = clean.take(range(min(len(clean), _GRID_INPUTS)))
            curve = smoothness(measure(classifier, some, probe, progress=False), method="posterior")
            try:
                self.strength_ = sigma_half(curve)
            except InputError as error:
                raise InputError(
                    f"{error}; or choose the noise strength of {type(self).__name__} yourself, in Python"
                ) from error

    def check_learned(self, input_shape: tuple[int, int, int], num_classes: int) -> None:
        if not isinstance(self.strength_, (int, float)) or not 0 < self.strength_ < 1e6:
            raise InputError(f"expected a strength above 0, got {self.strength_!r}; fit again")

    def probes(self) -> Mapping[str, Probe]:
        sigma = 0.1 if self.strength_ is None else self.strength_
        return {"noise": Gaussian([sigma], draws=self.draws, seed=self.probe_seed("noise"))}
