"""Compute true-positive and false-positive rates of a detector's scores at calibrated thresholds. Needs only NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.stats.auroc import auroc
from doldrum.stats.conformal import num_allowed, p_values

__all__ = ["LEVELS", "flags", "judge"]

LEVELS = (0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Promised false-positive rates."""
Arrays = Mapping[str, NDArray[np.float64]]


def judge(scores: Arrays, ties: Arrays, hit: NDArray[np.bool_]) -> dict[str, Any]:
    """Count the true and false positives of one detector. `scores` and `ties` (tie breakers) have the keys
    "calibration", "test" and "triggered".

    A triggered input is a hit if it gets the attacker's label. Values: `clean` is the number of clean test inputs.
    `false` counts the clean test inputs that are flagged at each of LEVELS. `found` counts the triggered inputs that
    are flagged, and `found_hits` the hits that are flagged. A count is None if there are too few calibration inputs to
    promise a false-positive rate as low as the count's level. `auroc` compares the triggered inputs with the clean test
    inputs; `auroc_hits` compares only the hits with the clean test inputs, and is None if there are no hits.

    >>> s = {"calibration": np.arange(99.0), "test": np.array([3.5, 98.5]), "triggered": np.array([200.0, 0.5])}
    >>> found = judge(s, {k: np.full(len(v), 0.5) for k, v in s.items()}, np.array([True, False]))
    >>> found["false"][:3], found["found"][:3], found["found_hits"][2], found["auroc"]
    ([None, None, 1], [None, None, 1], 1, 0.5)
    """
    p = {
        part: p_values(scores["calibration"], scores[part], calibration_ties=ties["calibration"], ties=ties[part])
        for part in ("test", "triggered")
    }
    n = len(scores["calibration"])

    def counts(values: NDArray[np.float64]) -> list[int | None]:
        return [int(flags(values, level).sum()) if num_allowed(n, level) else None for level in LEVELS]

    clean, triggered = scores["test"], scores["triggered"]
    return {
        "clean": len(clean),
        "false": counts(p["test"]),
        "found": counts(p["triggered"]),
        "found_hits": counts(p["triggered"][hit]),
        "auroc": round(auroc(clean, triggered), 5),
        "auroc_hits": round(auroc(clean, triggered[hit]), 5) if hit.any() else None,
    }


def flags(p: NDArray[np.float64], level: float) -> NDArray[np.bool_]:
    """Whether p <= level, with the same tolerance for rounding as in `doldrum.detectors.Calibration`."""
    return p <= level * (1 + 1e-9)
