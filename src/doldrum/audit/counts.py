"""Count an audit's flags and discoveries, compute how many flags are consistent with the promised rate, and find the class where flags concentrate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.stats import conformal
from doldrum.stats._laws import hypergeom_tail

__all__ = ["Counts", "concentration", "counted"]


@dataclass(frozen=True, eq=False)
class Counts:
    """The flagged images and the discoveries among N scanned images, with the numbers that the audit's record stores.

    Parameters
    ----------
    flagged, discovered : bool arrays (N,)
    flags : {count, expected, limit, more_than_promised, discoveries, fdr}
    promise : {fpr, lower, upper, num_calibration}
        For 95% of calibration sets, the actual false-positive rate is between `lower` and `upper`.
    concentration : {label, flagged, scanned, p_value}, or None without flags
    note : str
        A remark about the set of discoveries; "" if there is no remark.
    """

    flagged: NDArray[np.bool_]
    discovered: NDArray[np.bool_]
    flags: dict[str, Any]
    promise: dict[str, Any]
    concentration: dict[str, Any] | None
    note: str


def counted(
    labels: NDArray[np.int64], p_values: NDArray[np.float64], *, calibration: int, fpr: float, fdr: float
) -> Counts:
    """Count the flagged images and the discoveries among N images, from their labels and p-values (arrays of shape
    (N,)). The argument `calibration` is the number of calibration images."""
    scanned = len(labels)
    interval = conformal.realised_fpr(calibration, fpr)
    flagged = p_values <= fpr * (1 + 1e-9)
    discoveries = conformal.benjamini_hochberg(p_values, fdr=fdr, num_calibration=calibration)
    limit = conformal.flags_limit(scanned, calibration, fpr)
    flags = {
        "count": int(flagged.sum()),
        "expected": round(interval.value * scanned, 6),
        "limit": limit,
        "more_than_promised": bool(flagged.sum() > limit),
        "discoveries": len(discoveries),
        "fdr": fdr,
    }
    return Counts(
        flagged=flagged,
        discovered=discoveries.flags,
        flags=flags,
        promise={"fpr": fpr, "lower": interval.lower, "upper": interval.upper, "num_calibration": calibration},
        concentration=concentration(labels, flagged),
        note=discoveries.note,
    )


def concentration(labels: NDArray[np.int64], flags: NDArray[np.bool_]) -> dict[str, Any] | None:
    """Return the predicted class in which the flags concentrate most, as {label, flagged, scanned, p_value}; None if
    there are no flags.

    F is the number of flags, N the number of images, and n the number of images that are predicted as a class. If F
    flags were spread over N images by chance, the number of flags in a class of n images would have the hypergeometric
    distribution (N, n, F). The p-value is the probability that a class gets at least its observed number of flags,
    times the number of classes (Bonferroni), capped at 1. The class with the smallest p-value is returned. Among
    classes with the same p-value, the class with the most flags is returned.

    >>> labels = np.repeat([0, 1], [10, 90])
    >>> concentration(labels, labels == 0)["p_value"] < 1e-10
    True
    """
    total = int(flags.sum())
    if not total:
        return None
    classes, sizes = np.unique(labels, return_counts=True)
    held = np.array([int((flags & (labels == c)).sum()) for c in classes])
    tails = [
        hypergeom_tail(int(h), population=len(labels), marked=int(n), drawn=total)
        for h, n in zip(held, sizes, strict=True)
    ]
    p = np.minimum(1.0, len(classes) * np.array(tails))
    best = int(np.lexsort((-held, p))[0])
    return {
        "label": int(classes[best]),
        "flagged": int(held[best]),
        "scanned": int(sizes[best]),
        "p_value": float(p[best]),
    }
