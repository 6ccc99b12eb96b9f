"""The verdict for a training set without known clean images: its samples are ranked among themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from doldrum.cleansing.methods.base import MARGIN, Verdict, highest
from doldrum.stats.correlation import mid_ranks

__all__ = ["LIMITS", "verdict_of"]

LIMITS = (
    "A ranking says which samples to look at, or to drop, first. A ranking cannot say whether any sample is poisoned, or how many. The list is as long as "
    "--rate says, whether there is poison or not. To get a list with a promised false-positive rate, give clean images (--clean)."
)


def verdict_of(rounds: Sequence[NDArray[np.float64]], *, rate: float) -> Verdict:
    """A verdict that drops the 1.5 x rate x N samples with the highest mean rank over all rounds of draws.

    It promises no rate.

    A sample's score is its mean rank, divided by N. The verdict's `details` are `rate`, `rounds` and `in_every_round`.
    `in_every_round` is the number of dropped samples that each round of draws, taken alone, would also drop. The
    remaining dropped samples depend on the draws, and change with the seed.

    >>> verdict_of([np.array([1.0, 5.0, 3.0, 2.0]), np.array([1.0, 5.0, 2.0, 3.0])], rate=0.25).details["in_every_round"]
    1
    """
    scores = np.mean([mid_ranks(one) for one in rounds], axis=0) / len(rounds[0])
    drop = highest(scores, rate)
    every = int((drop & np.all([highest(one, rate) for one in rounds], axis=0)).sum())
    rule = f"ranking, with no promised false-positive rate: the {MARGIN * rate:.1%} of samples that are most suspicious over {len(rounds)} rounds of draws"
    return Verdict("profile", scores, drop, rule, {"rate": rate, "rounds": len(rounds), "in_every_round": every})
