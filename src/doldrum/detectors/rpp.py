"""RPP: with a trigger, the scores hardly change under noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.detectors.base import Detector, Needs
from doldrum.detectors.evidence import Evidence
from doldrum.detectors.w import W
from doldrum.errors import InputError
from doldrum.probes import Gaussian, Probe

__all__ = ["RPP"]


class RPP(Detector):
    """Score -(1/n) sum_j |p(x + eps_j) - p(x)|_1, eps_j ~ N(0, sigma^2 I): minus the mean change of the probabilities.

    Needs scores; clean inputs of `fit` to choose sigma, unless one is given; `draws` + 1 forwards an input. It is W's probe
    read through the scores. One threshold for all classes is unfair to rare ones: `calibrate(..., per_class=True)` keeps its
    promise for each.

    The norm is the total variation distance times 2; sigma is sigma-half, as :class:`W` chooses it, kept in `strength_`. Both
    are ours where the paper's choices weren't to hand; its conformal threshold is what `calibrate` does for every detector.

    Parameters
    ----------
    draws : int
    strength : float, optional
        Sigma, in units of the [0, 1] pixel range.
    seed : int, optional

    Source: Lin et al. 2026, RPP: A certified poisoned-sample detection framework for backdoor attacks under dataset
    imbalance, arXiv 2602.00183.
    """

    name = "rpp"
    needs: ClassVar[Needs] = "scores"
    paper = "Lin et al. 2026, arXiv 2602.00183"
    readouts = ("change",)
    learned: ClassVar[tuple[str, ...]] = ("strength_",)

    def __init__(self, *, draws: int = 100, strength: float | None = None, seed: int | None = None) -> None:
        super().__init__(seed=seed)
        Gaussian([0.1 if strength is None else strength], draws=draws)  # refuses what is no strength or number of draws
        self.draws, self.strength = draws, strength
        self.strength_: float | None = strength

    def prepare(self, classifier: Classifier, clean: ImageSet) -> None:
        self.strength_ = self.strength
        if self.strength is None:
            try:
                self.strength_ = W(draws=1, seed=self.probe_seed("strength")).fit(classifier, clean).strength_
            except InputError as error:
                raise InputError(str(error).replace("W(strength", "RPP(strength")) from error

    def probes(self) -> Mapping[str, Probe]:
        sigma = 0.1 if self.strength_ is None else self.strength_
        return {"noise": Gaussian([sigma], draws=self.draws, seed=self.probe_seed("noise"))}

    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        change = evidence.responses["noise"].readouts["change"][:, 0].astype(np.float64)
        return -np.ma.masked_invalid(change).mean(axis=1).filled(np.nan)
