"""Classifiers whose right preprocessing is known: the class is the nearest of K patterns, in the units that the model expects."""

from __future__ import annotations

import numpy as np

from doldrum.classifiers import as_classifier
from doldrum.suspects import Preprocessing


def material(count=120, *, classes=6, channels=3, side=8, seed=0):
    """Images in [0, 1] of `classes` patterns with noise, their classes, and the patterns."""
    draw = np.random.default_rng(seed)
    coarse = draw.uniform(0, 1, (classes, channels, 2, 2))  # large patches, so that a shift by a pixel changes little
    patterns = coarse.repeat(side // 2, 2).repeat(side // 2, 3)
    labels = draw.integers(0, classes, count)
    images = patterns[labels] + draw.normal(0, 0.05, (count, channels, side, side))
    return np.clip(images, 0, 1).astype(np.float32), labels, patterns


def as_seen(images, p):
    """What a model behind `p` sees of images, written out plainly: an independent reading of `Preprocessing`."""
    seen = np.array(images, dtype=np.float64)
    if p.channels == "bgr":
        seen = np.stack([seen[:, 2], seen[:, 1], seen[:, 0]], axis=1)
    for c in range(seen.shape[1]):
        mean, std = (values[c] if len(values) > 1 else values[0] for values in (p.mean, p.std))
        seen[:, c] = (seen[:, c] * p.scale - mean) / std
    return seen


def nearest(patterns, wants: Preprocessing, opened: Preprocessing, *, outputs="logits"):
    """A model of `patterns` that expects `wants`, opened with `opened`."""
    known = as_seen(patterns, wants)
    unit = np.abs(known).max()

    def model(images):
        seen = as_seen(images, opened)
        far = ((seen[:, None] - known[None]) / unit) ** 2
        scores = -far.sum((2, 3, 4))
        return scores.argmax(1) if outputs == "labels" else scores

    return as_classifier(model, input_shape=patterns.shape[1:], num_classes=len(patterns), outputs=outputs)
