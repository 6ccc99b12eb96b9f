"""MaxSoftmax: the score is the model's confidence, the baseline that every detector should beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.contract.evidence import Evidence
from doldrum.detectors.contract.hooks import Needs
from doldrum.probes import Probe

__all__ = ["MaxSoftmax"]


class MaxSoftmax(Detector):
    """Score max_c p_c(x): a triggered input is classified with high confidence.

    The detector needs scores, takes 1 forward pass per input, and needs clean inputs only for calibration.

    Source: Hendrycks and Gimpel, A baseline for detecting misclassified and out-of-distribution examples, 2017,
    arXiv 1610.02136 (in this paper, low confidence is suspicious).

    >>> from doldrum.classifiers import as_classifier
    >>> clf = as_classifier(lambda x: x.reshape(len(x), -1), input_shape=(1, 1, 2), num_classes=2)
    >>> clean = np.random.default_rng(0).random((40, 1, 1, 2))
    >>> det = MaxSoftmax(seed=0).fit(clf, clean[:1]).calibrate(clean[1:], fpr=0.05)
    >>> det.scan(np.array([[[[0.0, 1.0]]], [[[0.5, 0.5]]]])).flags.tolist()
    [True, False]
    """

    name = "max-softmax"
    needs: ClassVar[Needs] = "scores"
    paper = "Hendrycks and Gimpel 2017, arXiv 1610.02136"

    def probes(self) -> Mapping[str, Probe]:
        return {}

    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        assert evidence.scores is not None
        return evidence.scores.max(axis=1)
