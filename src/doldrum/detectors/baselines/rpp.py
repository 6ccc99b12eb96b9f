"""RPP: on a triggered input, the model's probabilities hardly change under noise."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors.contract.evidence import Evidence
from doldrum.detectors.contract.hooks import Needs
from doldrum.detectors.shared.one_strength import OneStrength
from doldrum.seeds import child_seed

__all__ = ["RPP"]


class RPP(OneStrength):
    """Score -(1/n) sum_j |p(x + eps_j) - p(x)|_1, eps_j ~ N(0, sigma^2 I): minus the mean change of the probabilities.

    The detector needs scores, and takes `draws` + 1 forward passes per input. The detector uses the same noise as the
    detector W, but the model's scores instead of its labels. With one threshold for all classes, rare classes can have
    more false alarms than promised. With `calibrate(..., per_class=True)`, the promised rate of false alarms holds for
    each class separately.

    The norm is twice the total variation distance. If no noise strength sigma is given, `fit` uses sigma-half, as in
    :class:`W`. The noise strength is stored in `strength_`. Norm and sigma are our choices, since the paper's were not
    available to us. The paper uses a conformal threshold, and so does `calibrate` for every detector.

    Parameters
    ----------
    draws : int
    strength : float, optional
        The noise strength sigma, in units of the [0, 1] pixel range.
    seed : int, optional

    Source: Lin et al. 2026, RPP: A certified poisoned-sample detection framework for backdoor attacks under dataset
    imbalance, arXiv 2602.00183.
    """

    name = "rpp"
    needs: ClassVar[Needs] = "scores"
    paper = "Lin et al. 2026, arXiv 2602.00183"
    readouts = ("change",)

    def grid_seed(self) -> int:
        return child_seed(self.probe_seed("strength"), "detector", "grid")

    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        change = evidence.responses["noise"].readouts["change"][:, 0].astype(np.float64)
        return -np.ma.masked_invalid(change).mean(axis=1).filled(np.nan)
