"""W: the entropy of labels under Gaussian noise at one strength, sigma-half."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors.contract.evidence import Evidence
from doldrum.detectors.shared.one_strength import OneStrength
from doldrum.stats import entropy

__all__ = ["W"]


class W(OneStrength):
    """Score -W(x) at sigma-half: minus the normalised entropy of the labels that the model predicts under noise.

    The detector needs labels, and takes `draws` + 1 forward passes per input. Sigma-half is the smallest noise strength
    at which the mean W of clean inputs is half of the largest mean W over all strengths. Sigma-half is found from up to
    250 inputs of `fit` (260 forward passes each), unless a strength is given. The strength is stored in `strength_`.

    Parameters
    ----------
    draws : int
    strength : float, optional
        The noise strength to use instead of sigma-half, in units of the [0, 1] pixel range.
    seed : int, optional

    Source: the measure W is from Grosse et al., Backdoor Smoothing, Computers & Security 2022. Sigma-half, and the use
    of W as a score, are this project's own additions. The score ignores which class the label changes to, although this
    carries most of the signal.

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
