"""docs/what-a-flag-means.md: what the promise leaves open, by its formula."""

from __future__ import annotations

from collections.abc import Iterator

from results.figures import Studies, short

PAGE = "docs/what-a-flag-means.md"


def quotes(studies: Studies) -> Iterator[str]:
    from doldrum.stats.conformal import realised_fpr

    rate = realised_fpr(500, 0.01)
    yield f"With 500 calibration images and a promised rate of 1%, the actual rate is between {short(100 * rate.lower, 1)}% and {100 * rate.upper:.1f}%"
