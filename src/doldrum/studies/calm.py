"""Measure W from labels and from probabilities, and sigma-half of a clean model.

W says how mixed the labels of the noisy copies of an image are. Sigma-half is the noise strength at which W is measured.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr, softmax

from doldrum.attacks import Victim
from doldrum.classifiers import Classifier
from doldrum.classifiers.base import labels_of
from doldrum.data import ImageSet
from doldrum.measuring import Measurement, measure
from doldrum.measuring.tiles import make_tiles
from doldrum.pixels import to_float
from doldrum.probes import Gaussian
from doldrum.profiles import sigma_half, smoothness
from doldrum.responses import Responses
from doldrum.stats.entropy import plug_in
from doldrum.studies.base import Cell
from doldrum.studies.material import seed_of

__all__ = ["Calm", "measure_calm", "sigma_half_of"]

_half: OrderedDict[str, float] = OrderedDict()


@dataclass(frozen=True, eq=False)
class Calm:
    """W of N inputs at S noise strengths, computed in two ways; `labels` (N,) are the labels of the unperturbed inputs.

    `hard` (N, S) is the entropy of the label counts, divided by log K. `soft` (N, S) is the entropy of the mean
    probabilities, divided by log K. Both are in [0, 1].
    """

    hard: NDArray[np.float64]
    soft: NDArray[np.float64]
    labels: NDArray[np.int16]
    strengths: tuple[float, ...]
    engine: dict[str, Any]

    def at(self, strength: float) -> int:
        """The number of the column whose noise strength is nearest to `strength`."""
        return int(np.abs(np.asarray(self.strengths) - strength).argmin())


def measure_calm(classifier: Classifier, images: ImageSet | NDArray[Any], probe: Gaussian) -> Calm:
    """Measure W from labels and from probabilities, with the same noise draws. The labels are the same as those of the function `measure`.

    >>> import doldrum as dd
    >>> clf = dd.as_classifier(lambda x: np.stack([x.mean((1, 2, 3)), 0.5 - 0 * x[:, 0, 0, 0]], 1),
    ...                        input_shape=(1, 2, 2), num_classes=2)
    >>> calm = measure_calm(clf, np.full((1, 1, 2, 2), 0.9), Gaussian([0.1], draws=50))
    >>> calm.hard.tolist(), bool(0.9 < calm.soft[0, 0] < 1)
    ([[0.0]], True)
    """
    run = Measurement(classifier, images, probe, batch_size=64)
    pixels = images.images if isinstance(images, ImageSet) else images
    pairs, k = 1 + len(probe.strengths) * probe.draws, classifier.num_classes
    hard, soft, labels = [], [], []
    for first in range(0, len(run), run.batch_size):
        block = to_float(pixels[first : first + run.batch_size])
        scores = np.empty((len(block), pairs, k), dtype=np.float32)

        def keep(key: tuple[int, int, int, int], out: NDArray[Any], scores: NDArray[np.float32] = scores) -> None:
            at, count, a, b = key
            scores[at : at + count, a:b] = out[: count * (b - a)].reshape(count, b - a, k)

        run.engine.run(make_tiles(run.plan, block, run.battery), keep)
        answers = labels_of(scores.reshape(-1, k)).reshape(len(block), pairs)
        draws = answers[:, 1:].reshape(len(block), len(probe.strengths), probe.draws)
        hard.append(plug_in(Responses(draws, answers[:, 0], probe.strengths, k).counts))
        labels.append(answers[:, 0])
        chances = softmax(scores[:, 1:].astype(np.float64), axis=2) if classifier.outputs == "logits" else scores[:, 1:]
        mean = chances.reshape(*draws.shape, k).mean(axis=2)
        soft.append(np.clip(entr(mean).sum(axis=2) / np.log(k), 0, 1))
    return Calm(np.concatenate(hard), np.concatenate(soft), np.concatenate(labels), probe.strengths, run.info["engine"])


def sigma_half_of(cell: Cell, clean: Victim, pick: ImageSet) -> float:
    """The noise strength at which W is measured: the cell's sigma if it is given, else sigma-half of the clean model.

    The inputs and noise draws from which sigma-half is computed are not used again later. The result is cached within a
    process, because the cells of all attacks with the same seed need the same value.
    """
    if cell.sigma is not None:
        return float(cell.sigma)
    probe = Gaussian(cell.strengths, draws=cell.draws, seed=seed_of(cell, "pick"))
    key = f"{clean.model.fingerprint} {pick.content_hash()} {probe.to_dict()}"
    if key not in _half:
        _half[key] = round(sigma_half(smoothness(measure(clean.model, pick, probe, progress=False))), 5)
        if len(_half) > 64:
            _half.popitem(last=False)
    return _half[key]
