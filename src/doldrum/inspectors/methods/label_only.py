"""`label-only`: tries candidate triggers one after the other, with a limited number of queries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import whole_number
from doldrum.inspectors.contract.hooks import Inspector, routes_to
from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.subject import Subject, answers
from doldrum.inspectors.methods.candidates import candidates
from doldrum.inspectors.methods.shares import log_odds, shares_to, values_of
from doldrum.triggers.base import Trigger

__all__ = ["LabelOnly"]

_EACH = 8  # images that every candidate is tried on
_AGAIN = 24  # images that a class's best candidates are tried on
_BEST = 4  # of these, a class
_FINAL = 100  # images that the one left is tried on, at most
_LEAST = 0.05  # a share below it says nothing: on clean models of one kind it may be 0 or 3%
_ROWS = 256  # images asked about at once
_PARTS = (0.55, 0.2, 0.25)  # of the budget: all candidates, the best again, the one left


class LabelOnly(Inspector):
    """The value of the route to class k: the log odds that the best trigger changes an image of another class to k.

    Each candidate trigger (:func:`doldrum.inspectors.methods.candidates.candidates`) is tried on 8 images. Each trial
    of a trigger gives results for all classes, because every predicted label is counted for its class. For each class,
    the 4 triggers that change the most images to this class are tried again, on 24 new images. The best of the 4
    triggers is tried on up to 100 images that had no part in choosing the trigger. If the best trigger changes a share
    s of the up to 100 images to class k, the value is log((s + .05) / (1.05 - s)). At most `budget` queries are used,
    for any number of classes.

    Source: this project, from known parts: patches tried in many places (Gu et al. 2017, arXiv 1708.06733, for what
    attackers use) and successive halving (Karnin et al. 2013, "Almost optimal exploration in multi-armed bandits").

    Parameters
    ----------
    budget : int
        The largest number of queries, at least 500. A model and its references must have the same budget.
    """

    name = "label-only"
    title = "patches and perturbations, found with labels only"
    needs = "labels"
    weight = 0.1

    def __init__(self, budget: int = 5000) -> None:
        self.budget = whole_number(budget, "budget=", least=500, hint="e.g. 5000 answers")

    def __repr__(self) -> str:
        return f"LabelOnly(budget={self.budget})"

    def most_queries(self, images: int) -> int:
        return self.budget

    def examine(self, subject: Subject) -> Reading:
        classes, chance = subject.num_classes, subject.rng(self.name)
        first, again, last = (int(part * self.budget) for part in _PARTS)
        few, some, rest = _lots(chance.permutation(np.flatnonzero(subject.labels >= 0)), max(last // classes, 1))
        pool = candidates(subject.search, first // len(few), chance)
        shares = _tried(subject, pool, few)
        subject.advance(self.weight * _PARTS[0])

        leaders = np.argsort(-shares, axis=0, kind="stable")[:_BEST]  # a column for each class
        chosen = list(dict.fromkeys(leaders.ravel().tolist()))[: again // len(some)]
        pooled = np.full_like(shares, -1.0)
        pooled[chosen] = len(few) * shares[chosen] + len(some) * _tried(subject, [pool[c] for c in chosen], some)
        subject.advance(self.weight * _PARTS[1])

        winners = pooled.argmax(axis=0)
        tested = list(dict.fromkeys(winners.tolist()))[: last // len(rest)]
        at = {c: i for i, c in enumerate(tested)}
        final = log_odds(_tried(subject, [pool[c] for c in tested], rest), least=_LEAST)
        values = np.array([final[at[c], k] if c in at else np.nan for k, c in enumerate(winners.tolist())])
        subject.advance(self.weight * _PARTS[2])
        routes = routes_to(classes)
        triggers = {routes[k]: pool[c] for k, c in enumerate(winners.tolist()) if values[k] > 0}
        return Reading(self.name, values_of(values), triggers=triggers)


def _lots(rows: NDArray[np.int64], last: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Divide the rows of images into three disjoint sets: one to try all candidates, one to try the best candidates,
    and one to try the final candidates.

    The set for the final candidates has at most `last` rows.
    """
    few, some = (max(1, min(size, len(rows) // 4)) for size in (_EACH, _AGAIN))
    return rows[:few], rows[few : few + some], rows[few + some :][: min(_FINAL, last)]


def _tried(subject: Subject, triggers: list[Trigger], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """For each of T triggers and K classes, the share of images of other classes that the trigger changes to this class
    (T, K).

    The share is 0 if there is no image of another class.
    """
    images, before = subject.search[rows], subject.labels[rows]
    out = np.zeros((len(triggers), subject.num_classes))
    step = max(1, _ROWS // len(rows))
    for start in range(0, len(triggers), step):
        part = triggers[start : start + step]
        after = answers(subject.classifier, np.concatenate([t(images) for t in part]))
        for i, one in enumerate(after.reshape(len(part), -1)):
            out[start + i] = np.nan_to_num(shares_to(before, one, subject.num_classes))
    return out
