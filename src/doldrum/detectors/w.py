"""W: calm under Gaussian noise at one strength, sigma-half."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.detectors.base import Detector
from doldrum.detectors.evidence import Evidence
from doldrum.errors import InputError
from doldrum.measuring import measure
from doldrum.probes import Gaussian, Probe
from doldrum.profiles import sigma_half, smoothness
from doldrum.stats import entropy

__all__ = ["W"]

GRID = (0.02, 0.035, 0.06, 0.1, 0.15, 0.22, 0.32, 0.47, 0.7, 1.0, 1.5)
_GRID_DRAWS, _GRID_INPUTS = 20, 250


class W(Detector):
    """Score -W(x) at sigma-half: the entropy of the labels that come back under noise, with its sign turned.

    Needs labels; `draws` + 1 forwards an input. The strength is sigma-half of up to 250 inputs of `fit` (220 forwards
    each), unless one is given; it is kept in `strength_`.

    Parameters
    ----------
    draws : int
    strength : float, optional
        Sigma, in units of the [0, 1] pixel range, instead of sigma-half.
    seed : int, optional

    Source: Grosse et al., Backdoor Smoothing, Computers & Security 2022 (the measure); using it as a score, and
    sigma-half, are ours. It does not look at which class the label drifts to, which carries most of the signal.

    >>> from doldrum.classifiers import as_classifier
    >>> clf = as_classifier(lambda x: x.reshape(len(x), -1), input_shape=(1, 1, 2), num_classes=2)
    >>> clean = np.random.default_rng(0).random((50, 1, 1, 2))
    >>> det = W(seed=0, strength=0.3).fit(clf, clean[:10]).calibrate(clean[10:], fpr=0.05)
    >>> det.scan(np.array([[[[0.0, 1.0]]], [[[0.5, 0.5]]]])).scores.round(2).tolist()
    [-0.08, -1.0]
    """

    name = "w"
    paper = "Grosse et al. 2022, doi 10.1016/j.cose.2022.102814"
    learned: ClassVar[tuple[str, ...]] = ("strength_",)

    def __init__(self, *, draws: int = 100, strength: float | None = None, seed: int | None = None) -> None:
        super().__init__(seed=seed)
        Gaussian([0.1 if strength is None else strength], draws=draws)  # refuses what is no strength or number of draws
        self.draws, self.strength = draws, strength
        self.strength_: float | None = strength

    def prepare(self, classifier: Classifier, clean: ImageSet) -> None:
        self.strength_ = self.strength
        if self.strength is None:
            probe = Gaussian(GRID, draws=_GRID_DRAWS, seed=self.probe_seed("grid"))
            some = clean.take(range(min(len(clean), _GRID_INPUTS)))
            curve = smoothness(measure(classifier, some, probe, progress=False), method="posterior")
            try:
                self.strength_ = sigma_half(curve)
            except InputError as error:
                raise InputError(f"{error}; or choose the strength yourself: W(strength=0.1)") from error

    def check_learned(self, input_shape: tuple[int, int, int], num_classes: int) -> None:
        if not isinstance(self.strength_, (int, float)) or not 0 < self.strength_ < 1e6:
            raise InputError(f"expected a strength above 0, got {self.strength_!r}; fit again")

    def probes(self) -> Mapping[str, Probe]:
        sigma = 0.1 if self.strength_ is None else self.strength_
        return {"noise": Gaussian([sigma], draws=self.draws, seed=self.probe_seed("noise"))}

    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        return -entropy.plug_in(evidence.responses["noise"].counts)[:, 0]
