"""Stress tests of calibration: too few inputs, imbalanced classes, shifted inputs, and triggered inputs among the calibration inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from doldrum.seeds import rng
from doldrum.stats.conformal import flags_interval, num_allowed, p_values
from doldrum.studies.detection.judge import flags
from doldrum.studies.imbalance import falls

__all__ = ["IMBALANCE", "SHIFTS", "SIZES", "long_tail", "stress"]

SIZES = (50, 100, 200, 500, 1000, 2000)
IMBALANCE = (1, 10, 100)
SHIFTS: Mapping[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "brighter": lambda x: np.clip(x + np.float32(0.1), 0, 1),
    "darker": lambda x: x * np.float32(0.8),
    "blurred": lambda x: gaussian_filter(x, sigma=(0, 0, 0.6, 0.6)).astype(np.float32),
    "moved": lambda x: np.roll(x, 1, axis=3),
}
"""Changes of the calibration images, as if they came from another camera.

The images are made .1 brighter, made a fifth darker, blurred by .6 pixels, or moved one pixel to the right.
"""
_SPLITS, _PLANTED, _TAIL_LEVEL, _TAIL_SIZE = 50, 0.01, 0.05, 500
_RATES = (0.01, 0.05)
Arrays = Mapping[str, NDArray[np.float64]]


def stress(
    scores: Arrays,
    ties: Arrays,
    labels: Mapping[str, NDArray[np.int16]],
    *,
    seed: int,
    order: Sequence[int] | None = None,
) -> dict[str, Any]:
    """The realised FPR of one detector with calibration sets that are small, imbalanced, shifted or contaminated.

    The clean inputs of the parts calibration and test are joined, and split at random 50 times. All splits use the same
    fitted detector, and only the calibration differs. Values:

    - `sizes`: results for calibration sets of each of SIZES, at the promised rates 1% and 5%. `fpr` and `tpr` are means
      over the splits, and `fpr_sd` and `tpr_sd` are standard deviations. `kept` counts the splits whose number of false
      alarms is inside the 95% interval that follows from the promised rate. A result is None if there are too few
      calibration inputs to promise the rate.
    - `imbalance`: results for calibration sets of 500 inputs with unequal classes, at the promised rate 5%. The most
      frequent predicted class has `ratio` times as many inputs as the rarest predicted class. `fpr` holds the realised
      false-positive rate of each class, the most frequent class first. The classes are sorted as in `order`, or at
      random if `order` is not given. `per_class` holds the realised false-positive rate of each class if the
      calibration is class-conditional. `refused` is the mean number of classes with too few inputs for
      class-conditional calibration.
    - `shifts`: `fpr` and `tpr` at the promised rates 1% and 5%, for calibration on changed images. The test images are
      unchanged, and are not used for calibration. `none` holds the rates for calibration on unchanged images.
    - `planted`: results for calibration sets of 500 inputs, of which 1% are triggered. `planted` holds the means of
      `fpr` and `tpr` over the splits, at the promised rates 1% and 5%.
    """
    clean, clean_ties = (np.concatenate([a["calibration"], a["test"]]) for a in (scores, ties))
    classes = np.concatenate([labels["calibration"], labels["test"]])
    bad, bad_ties = scores["triggered"], ties["triggered"]

    def rates(cal: NDArray[np.float64], cal_ties: NDArray[np.float64], rest: NDArray[np.int64]) -> dict[str, Any]:
        mine = {"calibration_ties": cal_ties}
        p = p_values(cal, clean[rest], ties=clean_ties[rest], **mine)
        q = p_values(cal, bad, ties=bad_ties, **mine)
        return {"fpr": [flags(p, r).mean() for r in _RATES], "tpr": [flags(q, r).mean() for r in _RATES]}

    splits = [rng(seed, "stress", i).permutation(len(clean)) for i in range(_SPLITS)]
    sizes = {}
    for size in (s for s in SIZES if s < len(clean)):
        found = [rates(clean[o[:size]], clean_ties[o[:size]], o[size:]) for o in splits]
        sizes[str(size)] = [_size(found, size, at, len(clean) - size) for at in range(len(_RATES))]
    fixed = {}
    shifted = [name for name in SHIFTS if name in scores]
    for name in ("none", *shifted):
        part = "calibration" if name == "none" else name
        n = len(scores[shifted[0]]) if shifted else 0
        if n:
            found_one = rates(scores[part][:n], ties[part][:n], np.arange(n, len(clean)))
            fixed[name] = {k: _round(v) for k, v in found_one.items()}
    planted: dict[str, Any] = {}
    if len(scores.get("planted", ())):
        wrong = round(_PLANTED * _TAIL_SIZE)
        found = []
        for i, o in enumerate(splits):
            some = rng(seed, "planted", i).choice(len(scores["planted"]), wrong, replace=False)
            few = o[: _TAIL_SIZE - wrong]
            cal = np.r_[clean[few], scores["planted"][some]], np.r_[clean_ties[few], ties["planted"][some]]
            found.append(rates(*cal, o[_TAIL_SIZE:]))
        planted = {k: _round(np.mean([f[k] for f in found], axis=0)) for k in ("fpr", "tpr")}
    names = np.unique(classes)
    names = rng(seed, "imbalance").permutation(names) if order is None else np.array([k for k in order if k in names])
    imbalance = {str(r): _imbalance(clean, clean_ties, classes, names, ratio=r, seed=seed) for r in IMBALANCE}
    return {"sizes": sizes, "imbalance": imbalance, "shifts": fixed, "planted": planted}


def long_tail(classes: int, total: int, ratio: float) -> NDArray[np.int64]:
    """The number of inputs of each class in an imbalanced set. The first class has `ratio` times as many inputs as the
    last class, and the numbers fall geometrically.

    >>> long_tail(3, 111, 100).tolist(), long_tail(4, 40, 1).tolist()
    ([100, 10, 1], [10, 10, 10, 10])
    """
    shares = falls(classes, ratio)
    return np.maximum(1, np.round(total * shares / shares.sum())).astype(np.int64)


def _imbalance(
    clean: NDArray[np.float64],
    ties: NDArray[np.float64],
    classes: NDArray[np.int16],
    names: NDArray[np.integer[Any]],
    *,
    ratio: int,
    seed: int,
) -> dict[str, Any]:
    wanted = long_tail(len(names), _TAIL_SIZE, ratio)
    false, per_class, tested, refused = (np.zeros(len(names)) for _ in range(4))
    for i in range(_SPLITS):
        order = rng(seed, "imbalance", ratio, i).permutation(len(clean))
        groups = [order[classes[order] == name] for name in names]
        # At most two thirds of a class calibrate, so that some are left to test.
        cal = np.concatenate([g[: min(n, 2 * len(g) // 3)] for g, n in zip(groups, wanted, strict=True)])
        rest = np.setdiff1d(order, cal)
        mine = {"calibration_ties": ties[cal], "ties": ties[rest]}
        plain = flags(p_values(clean[cal], clean[rest], **mine), _TAIL_LEVEL)
        grouped = p_values(clean[cal], clean[rest], **mine, calibration_groups=classes[cal], groups=classes[rest])
        for k, name in enumerate(names):
            its = classes[rest] == name
            tested[k] += its.sum()
            false[k] += plain[its].sum()
            per_class[k] += flags(grouped[its], _TAIL_LEVEL).sum()
            refused[k] += num_allowed(int((classes[cal] == name).sum()), _TAIL_LEVEL) < 1
    return {
        "calibration": wanted.tolist(),
        "fpr": _round(false / tested),
        "per_class": _round(per_class / tested),
        "refused": round(float(refused.sum() / _SPLITS), 3),
    }


def _size(found: list[dict[str, Any]], size: int, at: int, tested: int) -> dict[str, Any] | None:
    rate = _RATES[at]
    if not num_allowed(size, rate):
        return None
    fpr, tpr = (np.array([f[k][at] for f in found]) for k in ("fpr", "tpr"))
    low, high = flags_interval(tested, size, rate)
    kept = (np.round(fpr * tested) >= low) & (np.round(fpr * tested) <= high)
    spread = {"fpr": fpr.mean(), "fpr_sd": fpr.std(ddof=1), "tpr": tpr.mean(), "tpr_sd": tpr.std(ddof=1)}
    return {k: round(float(v), 5) for k, v in spread.items()} | {"kept": int(kept.sum())}


def _round(values: Any) -> list[float]:
    return np.round(values, 5).tolist()
