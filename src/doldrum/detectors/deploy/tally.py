"""Tally: the number of inputs of a scan for each label and p-value. The size of a tally depends on the calibration set,
not on the number of inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors.contract.calibration import Calibration
from doldrum.detectors.deploy.watch import Watch
from doldrum.seeds import rng
from doldrum.stats.conformal import num_discoveries

__all__ = ["Tally", "drawn_of", "rows_of", "summary_of", "tally_of", "tally_of_rows"]

Tally = Counter[tuple[int, float]]
"""The number of inputs for each pair (label, p-value). Tallies can be added. Without class-conditional calibration, all
valid labels (0 or higher) are counted as label 0."""
_WATCHED = 250_000  # inputs that the watch sees: of more, so many drawn at random
_PIECE = 10_000  # inputs that it sees at a time


def tally_of(calibration: Calibration, labels: NDArray[Any], p_values: NDArray[np.float64]) -> Tally:
    """Count the inputs by their labels (m,) and p-values (m,).

    >>> c = Calibration(np.arange(9.0), np.zeros(9), fpr=0.1, seed=0)
    >>> sorted(tally_of(c, np.array([3, 1, -1]), np.array([0.1, 0.1, 0.5])).items())
    [((-1, 0.5), 1), ((0, 0.1), 2)]
    """
    groups = labels.astype(np.int64)
    if calibration.groups is None:
        groups = np.minimum(groups, 0)
    return Counter(zip(groups.tolist(), p_values.tolist(), strict=True))


def rows_of(tally: Tally) -> list[list[float]]:
    """The tally as sorted rows for JSON."""
    return [[label, p, count] for (label, p), count in sorted(tally.items())]


def tally_of_rows(rows: Iterable[Any]) -> Tally:
    """Make a tally from rows that `rows_of` returned. Raises TypeError or ValueError for rows that do not have the form
    of `rows_of`."""
    return Counter({(int(label), float(p)): int(count) for label, p, count in rows})


def summary_of(calibration: Calibration, tally: Tally, fdr: float) -> dict[str, Any]:
    """Summarise all inputs of a scan: flags and their limit, discoveries, and the verdict of the watch on the inputs in
    a random order.

    The watch uses a random order because the order of a folder is often by class. In a random order, the watch can't
    say when a change happened. The same tally always gives the same random order.
    """
    keys = sorted(tally)
    labels = np.array([label for label, _ in keys], np.int64)
    p = np.array([value for _, value in keys], float)
    counts = np.array([tally[key] for key in keys], np.int64)
    sizes = {int(label): int(counts[labels == label].sum()) for label in np.unique(labels)}
    flagged, limit = int(counts[calibration.flags(p)].sum()), calibration.limit_of(sizes)
    discoveries, note = num_discoveries(p, counts, fdr=fdr, num_calibration=calibration.smallest)
    total = int(counts.sum())
    ends, watch = np.cumsum(counts), Watch(calibration)
    drawn = drawn_of(total, min(total, _WATCHED), rng(calibration.seed, "watch"))
    for start in range(0, len(drawn), _PIECE):
        at = np.searchsorted(ends, drawn[start : start + _PIECE], side="right")
        watch.update(p[at], labels=labels[at])
    watched = watch.verdict
    return {
        "flagged": flagged,
        "limit": limit,
        "more_than_promised": flagged > limit,
        "discoveries": discoveries,
        "note": note,
        "watch": {"kind": watched.kind, "words": watched.words, "alpha": watched.alpha},
        "suspicious": flagged > limit or discoveries > 0 or watched.flags_at is not None,
    }


def drawn_of(total: int, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw `count` different whole numbers in [0, total), all equally likely, in a random order. Memory grows with
    `count`, not with `total`.

    >>> sorted(drawn_of(4, 4, np.random.default_rng(0)).tolist()), len(drawn_of(10**9, 3, np.random.default_rng(0)))
    ([0, 1, 2, 3], 3)
    """
    if total <= 2 * count:
        return generator.permutation(total)[:count]
    found = np.zeros(0, np.int64)
    while len(found) < count:
        found = np.concatenate([found, generator.integers(0, total, count)])
        found = found[np.sort(np.unique(found, return_index=True)[1])]
    return found[:count]
