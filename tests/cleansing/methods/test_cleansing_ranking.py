"""The ranking without clean images: how rounds add up, and that they calm the draws' say."""

from __future__ import annotations

import numpy as np
import pytest

import doldrum as dd
from doldrum.cleansing.methods import ranking
from doldrum.detectors.profile.ranking import rank


def test_the_list_is_that_of_the_mean_rank():
    rng = np.random.default_rng(2)
    rounds = [rng.permutation(200).astype(float) for _ in range(4)]
    found = ranking.verdict_of(rounds, rate=0.1)
    ranks = np.array([[(other <= one).sum() for one in other] for other in rounds])
    assert found.scores == pytest.approx(ranks.mean(axis=0) / 200)
    assert found.drop.sum() == 30
    own = [set(np.argsort(-r)[:30]) for r in rounds]
    assert found.details["in_every_round"] == len(set(np.flatnonzero(found.drop)) & set.intersection(*own))
    assert ranking.verdict_of([rounds[0]] * 4, rate=0.1).details["in_every_round"] == 30
    assert ranking.verdict_of([np.full(200, np.inf)] * 2, rate=0.1).drop.sum() == 30


def test_draws_have_little_say():
    """The first round of this seed's draws finds 34 of the 96 poisoned samples among 144, those of other seeds up to 96."""
    plan, trigger = dd.PoisonPlan(rate=0.1, target=0), dd.triggers.Patch(size=2, corner="lower right")
    bad = dd.poison(dd.load_dataset("digits:train").take(range(960)), trigger, plan, seed=0)
    model = dd.train(bad, recipe="digits-cnn", seed=0, progress=False)
    found = ranking.verdict_of(rank(model, bad, seed=2)[1], rate=0.1)
    assert found.drop.sum() == 144
    assert (found.drop & bad.poisoned).sum() > 75
