"""W: the entropy of labels under Gaussian noise at one strength, sigma-half."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors.contract.evidence import Evidence
from doldrum.detectors.shared.one_strength import OneStrength
from doldrum.stats import entropy

__all__ = ["W"]


class W(OneStrength):
    """Score -W(x) at sigma-half: minus the entropy of the labels that come back under noise.

    Needs labels; `draws` + 1 forward passes per input. The strength is sigma-half of up to 250 inputs of `fit` (260 forwards
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

    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        return -entropy.plug_in(evidence.responses["noise"].counts)[:, 0]
