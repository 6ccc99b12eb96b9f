"""Run a classifier with each candidate preprocessing, on clean images and on slightly changed copies of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import INVALID_LABEL, Classifier, labels_of
from doldrum.pixels import to_float
from doldrum.suspects.base import Preprocessing
from doldrum.suspects.preprocessing_check.candidates import Candidate, Resize, emulated

__all__ = ["COPIES", "Answers", "ask"]

COPIES = 2
_BRIGHTER = 0.15  # in units of the [0, 1] range
_TURNED = 8.0  # degrees
_BATCH = 64


@dataclass(frozen=True, eq=False)
class Answers:
    """The predicted labels (N,) of the images, the predicted labels (COPIES, N) of their copies, and the mean over the
    images of the highest class probability (None without scores)."""

    labels: NDArray[np.int16]
    copies: NDArray[np.int16]
    confidence: float | None

    @property
    def shares(self) -> NDArray[np.float64]:
        """For each image, the share of all images that have the same label, as an array (N,)."""
        _, where, counts = np.unique(self.labels, return_inverse=True, return_counts=True)
        return counts[where] / len(self.labels)

    @property
    def kept(self) -> NDArray[np.float64]:
        """For each image, the share of its copies that keep its label, as an array (N,); 0 for an image without a valid label."""
        return np.mean((self.copies == self.labels) & (self.labels != INVALID_LABEL), axis=0)

    @property
    def information(self) -> NDArray[np.float64]:
        """For each image, the information of its label, as an array (N,).

        The information is (g - q) / (1 - q) * -log q, where g is the share of the image's copies that keep the label,
        and q is the share of all images with this label. If all copies keep their labels, the mean information is the
        entropy of the labels, in nats. The mean information is about 0 if the copies get random labels, or if all
        images get the same label. So the information is high only for labels that are varied and stable.
        """
        q = self.shares
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(q < 1, (self.kept - q) / (1 - q) * -np.log(q), 0.0)


def ask(
    classifier: Classifier,
    candidates: Sequence[Candidate],
    images: Mapping[Resize, Any],
    picked: Sequence[int] | NDArray[np.int64],
    *,
    opened: Preprocessing,
) -> list[Answers]:
    """Run the classifier on the `picked` images with each candidate preprocessing: (1 + COPIES) forward passes per image and candidate.

    All candidates get the same copies: one that is brighter by 0.15, clipped to [0, 1], and one that is turned by 8
    degrees. If pixels have the range of the training data, the labels of both copies mostly stay the same. If pixels
    have another range than the training data, the brighter copies often get other labels than the images.
    """
    labels: list[list[Any]] = [[] for _ in candidates]
    sure: list[list[Any]] = [[] for _ in candidates]
    resizes: set[Resize] = {c.resize for c in candidates}
    for start in range(0, len(picked), _BATCH):
        part = picked[start : start + _BATCH]
        made = {way: _with_copies(images[way], part) for way in resizes}
        for k, candidate in enumerate(candidates):
            found = []
            for batch in made[candidate.resize]:
                out = classifier(emulated(batch, candidate, opened))
                found.append(labels_of(out))
                if len(found) == 1 and out.ndim == 2:
                    sure[k].append(_confidence(out, classifier.outputs == "logits"))
            labels[k].append(np.stack(found))
    return [
        Answers(all_of[0], all_of[1:], float(np.concatenate(one).mean()) if one else None)
        for all_of, one in zip((np.concatenate(part, axis=1) for part in labels), sure, strict=True)
    ]


def _with_copies(images: Any, picked: Sequence[int] | NDArray[np.int64]) -> list[NDArray[np.float32]]:
    plain = to_float(np.concatenate([images[i : i + 1] for i in picked]))
    return [plain, np.clip(plain + np.float32(_BRIGHTER), 0, 1), _turned(plain)]


def _turned(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rotate images about their centre, with bilinear interpolation. Beyond the edge, the pixels of the edge are repeated."""
    height, width = images.shape[2:]
    angle = np.deg2rad(_TURNED)
    down, right = np.mgrid[:height, :width].astype(np.float64)
    down, right = down - (height - 1) / 2, right - (width - 1) / 2
    rows = np.clip(down * np.cos(angle) + right * np.sin(angle) + (height - 1) / 2, 0, height - 1)
    columns = np.clip(right * np.cos(angle) - down * np.sin(angle) + (width - 1) / 2, 0, width - 1)
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    low, next_one = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    y, x = (rows - top).astype(np.float32), (columns - left).astype(np.float32)
    upper = images[:, :, top, left] * (1 - x) + images[:, :, top, next_one] * x
    lower = images[:, :, low, left] * (1 - x) + images[:, :, low, next_one] * x
    return np.ascontiguousarray(upper * (1 - y) + lower * y, dtype=np.float32)


def _confidence(scores: NDArray[np.float32], logits: bool) -> NDArray[np.float64]:
    """The highest probability for each image, as an array (B,); 0 if the scores are not finite."""
    values = scores.astype(np.float64)
    fine = np.asarray(np.isfinite(values).all(axis=1))
    values = np.where(fine[:, None], values, 0.0)
    if logits:
        values = np.exp(values - values.max(axis=1, keepdims=True))
        values /= values.sum(axis=1, keepdims=True)
    return np.where(fine, values.max(axis=1), 0.0)
