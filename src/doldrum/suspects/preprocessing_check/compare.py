"""Find the candidate preprocessing that fits best, and test whether it fits better than the one that the model was opened with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.stats.paired import mcnemar
from doldrum.stats.proportions import Interval, proportion
from doldrum.suspects.base import Preprocessing
from doldrum.suspects.preprocessing_check.answers import Answers
from doldrum.suspects.preprocessing_check.candidates import Candidate, Resize, flags_of

__all__ = ["ALPHA", "FEWEST", "Row", "could_be_better", "figure", "rows_of"]

ALPHA = 0.01
"""The error probability of a check: the highest probability that the check, by chance, calls some candidate better than
the preprocessing in use."""
FEWEST = 20
"""Without labels, a candidate can be called better only if there are at least this many images. The test needs so many
images because the mean over the images must be about normally distributed."""
_TIED = 0.05
_POINTS = 0.05  # of accuracy: less is not worth a word
_SHARE = (
    0.85  # of the better one's information: with uneven classes the right one can have a little less than a wrong one
)
_COVERED = 0.5  # of the most information there could be: with less, the images may be of a few classes only


@dataclass(frozen=True, kw_only=True)
class Row:
    """One candidate preprocessing of a check, with its results.

    `flags` are the flags that open the model with this candidate; "" for the preprocessing in use. `accuracy` holds 95%
    Clopper-Pearson limits, if labels were given. `confidence` is the mean over the images of the highest class
    probability, if the model returns scores. `classes` is the number of different predicted labels. `largest` is the
    share of the most frequent label. `kept` is the share of slightly changed copies that keep their label.
    `information` is the mean of :attr:`Answers.information`, in nats.

    `p` is a one-sided p-value, times the number of candidates. With labels, the hypothesis is that the candidate is
    right no more often than the preprocessing in use. Without labels, the hypothesis is that the information of the
    preprocessing in use is at least 85% of the candidate's information. `better` is true if `p` is below ALPHA and the
    difference matters. `tied` is true if a one-sided test at 5%, made for each row separately, does not show that the
    row is worse than the first row.
    """

    name: str
    flags: str
    opened: bool
    resize: Resize
    layout: str
    preprocessing: Preprocessing
    accuracy: Interval | None
    confidence: float | None
    classes: int
    largest: float
    kept: float
    information: float
    p: float
    better: bool
    tied: bool = False


def figure(answers: Answers, truth: NDArray[Any] | None) -> NDArray[np.float64]:
    """Return an array (N,) with one number per image, for comparing candidates. With `truth`, the number is 1 for a
    right label and 0 for a wrong label. Without `truth`, the number is the information of the image's label."""
    return answers.information if truth is None else (answers.labels == truth).astype(np.float64)


def rows_of(
    candidates: Sequence[Candidate],
    answers: Sequence[Answers],
    truth: NDArray[Any] | None,
    *,
    resize: Resize,
    num_classes: int,
) -> tuple[Row, ...]:
    """Make one row per candidate, sorted with the best first. The first of `candidates` is the preprocessing in use.

    Candidates that are shown to be better come first, then the preprocessing in use, then the other candidates. Among
    equally good candidates, the more common one comes first. If several candidates are about as good as the best one,
    the candidate most similar to the preprocessing in use comes first. So changes that only chance suggests are
    avoided, above all another order of channels.
    """
    opened, before = candidates[0].preprocessing, answers[0]
    tests = max(len(candidates) - 1, 1)
    rows: list[Row] = []
    for k, (candidate, found) in enumerate(zip(candidates, answers, strict=True)):
        p = min(1.0, tests * _p_value(found, before, truth)) if k else 1.0
        matters = _matters(found, before, truth, num_classes)
        count = len(found.labels)
        right = None if truth is None else proportion(int((found.labels == truth).sum()), count)
        rows.append(
            Row(
                name=candidate.name + (f", {candidate.resize}" if candidate.resize != resize else ""),
                flags=flags_of(candidate, opened=opened, resize=resize),
                opened=k == 0,
                resize=candidate.resize,
                layout=candidate.layout,
                preprocessing=candidate.preprocessing,
                accuracy=right,
                confidence=found.confidence,
                classes=len(np.unique(found.labels)),
                largest=float(found.shares.max()),
                kept=float(found.kept.mean()),
                information=float(found.information.mean()),
                p=p,
                better=k > 0 and p < ALPHA and matters,
            )
        )
    rank = lambda row: (-(row.accuracy.value if row.accuracy else 0.0), -round(row.information, 9))  # noqa: E731
    order = sorted(range(len(rows)), key=lambda k: (not rows[k].better, not rows[k].opened, rank(rows[k])))

    def ties(first: int) -> set[int]:
        return {k for k in order if k != first and _p_value(answers[first], answers[k], truth, share=1.0) > _TIED}

    near = [k for k in order if k in {order[0], *ties(order[0])} and rows[k].better == rows[order[0]].better]
    first = min(near, key=lambda k: _far(candidates[k], candidates[0]))
    order.insert(0, order.pop(order.index(first)))
    tied = ties(first)
    return tuple(replace(rows[k], tied=k in tied) for k in order)


def _far(candidate: Candidate, opened: Candidate) -> tuple[bool, ...]:
    """How much a candidate differs from the preprocessing in use. A difference in the order of
    the channels counts more than any other difference."""
    one, other = candidate.preprocessing, opened.preprocessing
    values = (one.scale, one.mean, one.std) != (other.scale, other.mean, other.std)
    return (
        one.channels != other.channels,
        candidate.layout != opened.layout,
        candidate.resize != opened.resize,
        values,
    )


def could_be_better(before: Answers, truth: NDArray[Any] | None, num_classes: int) -> bool:
    """Whether a candidate could be better than the preprocessing in use by a difference that matters. If no candidate
    could be better, no candidate needs to be tried."""
    mean = float(figure(before, truth).mean())
    return mean <= 1 - _POINTS if truth is not None else mean < _SHARE * _most(before, num_classes)


def _p_value(found: Answers, before: Answers, truth: NDArray[Any] | None, *, share: float = _SHARE) -> float:
    if truth is not None:
        return mcnemar(found.labels == truth, before.labels == truth)
    difference = share * found.information - before.information
    count = len(difference)
    spread = float(difference.std(ddof=1)) if count >= FEWEST else 0.0
    return 1.0 if spread == 0 else 1 - NormalDist().cdf(float(difference.mean()) * math.sqrt(count) / spread)


def _matters(found: Answers, before: Answers, truth: NDArray[Any] | None, num_classes: int) -> bool:
    new, old = (float(figure(one, truth).mean()) for one in (found, before))
    return new - old >= _POINTS - 1e-9 if truth is not None else new >= _COVERED * _most(found, num_classes)


def _most(answers: Answers, num_classes: int) -> float:
    """The largest information that is possible with this number of images and classes, in nats."""
    return math.log(max(2, min(num_classes, len(answers.labels))))
