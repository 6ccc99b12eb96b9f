"""A coarse-to-fine search for the best window of each size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Window", "best_windows"]

Window = tuple[int, int, int, int]
"""A rectangle of an image, as (top, left, height, width)."""

_BEAM = 2  # windows of a level in which the next, smaller ones are looked for


def best_windows(
    height: int, width: int, levels: Sequence[float], score: Callable[[int, list[Window]], ArrayLike]
) -> list[Window]:
    """Return one window for each level: of the windows that were tried, the window with the highest score. A level is
    the share of the image's sides that a window covers.

    Windows overlap by half. So if a pattern is at most half as large as a window, some window contains the whole
    pattern. At each level, the search tries only windows inside the two best windows of the previous level.

    >>> def covers(level, windows):
    ...     return [top <= 5 < top + h and left <= 9 < left + w for top, left, h, w in windows]
    >>> best_windows(16, 16, (0.5, 0.25, 0.0625), covers)
    [(0, 4, 8, 8), (2, 6, 4, 4), (5, 9, 1, 1)]
    """
    within: list[Window] = [(0, 0, height, width)]
    best: list[Window] = []
    for level, share in enumerate(levels):
        h, w = max(1, round(share * height)), max(1, round(share * width))
        windows = sorted({(top, left, h, w) for outer in within for top, left in _places(outer, h, w)})
        scores = np.asarray(score(level, windows), dtype=float)
        within = [windows[i] for i in np.argsort(-scores, kind="stable")[:_BEAM]]
        best.append(within[0])
    return best


def _places(outer: Window, height: int, width: int) -> list[tuple[int, int]]:
    top, left, outer_height, outer_width = outer
    return [(top + i, left + j) for i in _starts(outer_height, height) for j in _starts(outer_width, width)]


def _starts(outer: int, inner: int) -> list[int]:
    """The positions at which windows start. `inner` is the length of a window, and `outer` is the length of the range
    that the windows cover.

    Neighbouring windows start at most half a window apart, and the last window ends at the edge.

    >>> _starts(28, 14), _starts(14, 10), _starts(4, 3)
    ([0, 7, 14], [0, 4], [0, 1])
    """
    last = max(outer - inner, 0)
    steps = -(-last // max(1, inner // 2))
    return sorted({round(last * i / max(steps, 1)) for i in range(steps + 1)})
