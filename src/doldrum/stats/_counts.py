"""Checks of label counts, and their reduction to distinct rows, so that equal rows are computed only once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.errors import InputError

__all__ = ["check_counts", "check_level", "check_successes", "distinct_rows", "unique_rows"]

_WIDE, _MOST = 1 << 31, 1 << 62


def check_counts(counts: ArrayLike) -> NDArray[np.int64]:
    """The counts as int64 (..., K) with K >= 2. Raises InputError unless all counts are non-negative integers.

    >>> check_counts([3, 0, 1]).tolist()
    [3, 0, 1]
    """
    array = np.asarray(counts)
    if array.dtype.kind not in "iu":
        raise InputError(f"expected integer counts, got {array.dtype}; pass the count of each label")
    if array.ndim == 0 or array.shape[-1] < 2:
        raise InputError(f"expected counts of shape (..., K) with K >= 2, got {array.shape}; count every class")
    if array.size and array.min() < 0:
        raise InputError(f"expected counts of at least 0, got {array.min()}; leave invalid draws out")
    return array.astype(np.int64, copy=False)


def check_level(level: float) -> float:
    """The level as a float in (0, 1). Raises InputError for a level that is not in (0, 1).

    >>> check_level(0.95)
    0.95
    """
    if not isinstance(level, (float, np.floating)) or not 0 < level < 1:
        raise InputError(f"expected a level in (0, 1), got {level!r}; pass 0.95 for 95%")
    return float(level)


def distinct_rows(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """The distinct rows of counts (..., K), each sorted in descending order, and the index of each row among them.

    Entropies do not depend on the order of the classes. So the counts are sorted: thousands of inputs often have only a
    few hundred different sorted rows of counts. `rows[index].reshape(...)` gives the sorted row of every input.

    >>> rows, index = distinct_rows(np.array([[1, 3], [3, 1], [2, 2]]))
    >>> rows.tolist(), index.tolist()
    ([[2, 2], [3, 1]], [1, 1, 0])
    """
    flat = counts.reshape(-1, counts.shape[-1])
    if len(flat) and flat.max() < np.iinfo(np.int16).max:
        flat = flat.astype(np.int16)  # a quarter of the bytes to sort
    return unique_rows(np.sort(flat, axis=1)[:, ::-1].astype(np.int64))


def unique_rows(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """The sorted distinct rows of a non-negative array (N, K), and the index of each row among them.

    The result is the same as that of `np.unique(rows, axis=0)`, which takes ten times as long. For speed, each row is
    encoded as one integer, column by column. If the next column would make an integer too large, all integers are first
    replaced by their ranks.

    >>> rows, index = unique_rows(np.array([[1, 3], [0, 7], [1, 3]]))
    >>> rows.tolist(), index.tolist()
    ([[0, 7], [1, 3]], [1, 0, 1])
    """
    codes, size = np.zeros(len(rows), dtype=np.int64), 1
    for column in rows.T:
        values, width = column, int(column.max(initial=0)) + 1
        if width > _WIDE:
            values, width = np.unique(column, return_inverse=True)[1], len(rows)
        if size * width > _MOST:
            codes, size = np.unique(codes, return_inverse=True)[1], len(rows)
        codes, size = codes * width + values, size * width
    _, first, index = np.unique(codes, return_index=True, return_inverse=True)
    return rows[first], index.reshape(-1)


def check_successes(successes: Any, n: Any, *, alpha: float, side: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Successes and trials, broadcast together.

    Raises InputError unless successes and n are integers with 0 <= successes <= n, 0 < alpha < 1, and `side` is valid.
    """
    check_level(1 - alpha)
    x, total = np.broadcast_arrays(np.asarray(successes), np.asarray(n))
    if x.dtype.kind not in "iu" or total.dtype.kind not in "iu" or (x < 0).any() or (x > total).any():
        raise InputError(f"expected integers 0 <= successes <= n, got {successes} of {n}; pass counts")
    if side not in ("both", "lower", "upper"):
        raise InputError(f"expected side 'both', 'lower' or 'upper', got {side!r}; choose one")
    return x, total
