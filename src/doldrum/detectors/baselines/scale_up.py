"""SCALE-UP: a triggered input keeps its label when its pixels are multiplied by a factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.contract.evidence import Evidence
from doldrum.probes import Probe, Scale

__all__ = ["ScaleUp"]


class ScaleUp(Detector):
    """Score SPC(x) = (1/|S|) sum_{k in S} [C(clip(k x)) = C(x)]: the share of scaled copies that keep the label.

    The detector needs only the model's labels. Clean data are needed only for calibration. The detector takes |S| + 1
    forward passes per input (6 by default), where S is the set of factors. With |S| factors, the score has only |S| + 1
    possible values. Therefore, a large number of inputs have a score of 1, and calibration breaks the ties at random.
    The detector finds few triggers if the background is white or the trigger is dark.

    This is the data-free score of the paper, which needs no clean data. (The paper also has a data-limited score, which
    uses the mean and standard deviation of clean inputs per class.)

    Parameters
    ----------
    factors : numbers above 0
    seed : int, optional
        Seed of the random values that break ties between equal scores. The score itself is not random.

    Source: Guo et al. 2023, arXiv 2302.03251, equation 1; S = {3, 5, 7, 9, 11}.

    >>> from doldrum.classifiers import as_classifier
    >>> clf = as_classifier(lambda x: (x[:, 0, 0, 0] > x[:, 0, 0, 1]).astype(int),
    ...                     input_shape=(1, 1, 2), num_classes=2, outputs="labels")
    >>> det = ScaleUp(seed=0).fit(clf, np.zeros((1, 1, 1, 2)))
    >>> det.score_samples(np.array([[[[0.2, 0.1]]], [[[0.0, 0.5]]]])).tolist()
    [0.8, 1.0]
    """

    name = "scale-up"
    paper = "Guo et al. 2023, arXiv 2302.03251"

    def __init__(self, *, factors: Sequence[float] = (3, 5, 7, 9, 11), seed: int | None = None) -> None:
        super().__init__(seed=seed)
        self.factors = Scale(factors).strengths  # refuses what are no factors

    def probes(self) -> Mapping[str, Probe]:
        return {"scale": Scale(self.factors)}

    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        kept = (evidence.responses["scale"].draws[:, :, 0] == evidence.labels[:, None]).mean(axis=1)
        return np.where(evidence.labels < 0, np.nan, kept)
