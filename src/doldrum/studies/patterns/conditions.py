"""Functions of the study of patterns that fade a pattern, summarise the responses to noise, and judge each condition by W and STRIP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers import Classifier
from doldrum.data import ImageSet
from doldrum.detectors.baselines.strip import strip_score
from doldrum.measuring import measure
from doldrum.probes import Superimpose
from doldrum.profiles import smoothness
from doldrum.responses import Responses
from doldrum.stats.auroc import auroc
from doldrum.stats.conformal import p_values, tie_breakers

__all__ = ["FPR", "fade_to", "faded", "judged", "profile", "strip_scores", "w_at"]

FPR = 0.05
"""The promised rate of false alarms at which `judged` computes the share of flagged images."""


def fade_to(
    level: float,
    images: NDArray[np.float32],
    full: NDArray[np.float32],
    share: Callable[[NDArray[np.float32]], float],
) -> float | None:
    """The amount a in (0, 1] at which the function `share`, applied to the faded images, reaches `level`. The error of
    the computed amount a is at most 2^-10.

    The result is None if `share` is below `level` even for a = 1, the full pattern. The amount a is found by bisection.
    If `share` rises with a, the result is the smallest a at which `share` reaches `level`.

    >>> full = np.ones((1, 1, 1, 1), dtype=np.float32)
    >>> round(fade_to(0.5, 0 * full, full, lambda x: float(x.mean() ** 2)), 2)
    0.71
    """
    if share(full) < level:
        return None
    low, high = 0.0, 1.0
    for _ in range(10):
        middle = (low + high) / 2
        low, high = (low, middle) if share(faded(images, full, middle)) >= level else (middle, high)
    return high


def faded(images: NDArray[np.float32], full: NDArray[np.float32], amount: float) -> NDArray[np.float32]:
    """The faded images: images + amount (full - images), clipped to [0, 1]. `full` are the images with the pattern at full strength."""
    return np.clip(images + np.float32(amount) * (full - images), 0, 1, dtype=np.float32)


def profile(responses: Responses, goal: int) -> dict[str, Any]:
    """Summarise the model's responses under one condition; `doldrum.studies.patterns.study.run` describes the values."""
    w, hit = smoothness(responses, method="posterior").value, responses.labels == goal
    keep = (responses.draws == responses.labels[:, None, None]).mean(axis=2)
    found: dict[str, Any] = {"share": float(hit.mean()), "w": w.mean(axis=0), "keep": keep.mean(axis=0)}
    if hit.any():
        found |= {"hit_w": w[hit].mean(axis=0), "hit_keep": keep[hit].mean(axis=0)}
    rounded = {key: np.round(value, 5).tolist() for key, value in found.items()}
    each = {"each_w": np.round(w, 3).tolist(), "each_keep": np.round(keep, 3).tolist()}
    return {**rounded, **each, "hit": hit.astype(int).tolist()}


def w_at(responses: Responses, at: int) -> NDArray[np.float64]:
    """W of each input at one noise strength. `at` is the index of the strength."""
    return smoothness(responses, method="posterior").value[:, at]


def strip_scores(model: Classifier, images: NDArray[Any], overlays: Superimpose) -> NDArray[np.float64]:
    """The scores that :class:`doldrum.detectors.STRIP` gives to the images, with the given overlays."""
    return strip_score(measure(model, images, overlays, progress=False, readouts=("entropy",)))


def judged(
    scores: dict[str, NDArray[np.float64]],
    shown: dict[str, NDArray[np.float32]],
    spare: ImageSet,
    spare_scores: NDArray[np.float64],
) -> dict[str, dict[str, float]]:
    """Judge how suspicious the images of every condition are, by the scores of a detector. A higher score is more
    suspicious.

    `auroc` compares the scores of a condition with the scores of the condition "clean". `flagged` is the share of
    images that are flagged at a promised 5% of false alarms. The threshold is calibrated on the images in `spare`.
    """
    ties = tie_breakers(spare.images, 0)
    out: dict[str, dict[str, float]] = {}
    for name, values in scores.items():
        p = p_values(spare_scores, values, calibration_ties=ties, ties=tie_breakers(shown[name], 0))
        flagged = float((p <= FPR + 1e-12).mean())
        out[name] = {"auroc": round(auroc(scores["clean"], values), 5), "flagged": round(flagged, 5)}
    return out
