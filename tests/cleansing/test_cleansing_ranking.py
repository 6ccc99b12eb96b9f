"""The ranking without clean images: which samples each round takes for clean, how rounds add up, and that they calm the draws' say."""

from __future__ import annotations

import numpy as np
import pytest

import doldrum as dd
from doldrum.classifiers import as_classifier
from doldrum.cleansing import ranking
from doldrum.data import ImageSet


class Noted:
    """In place of the profile: notes what it is fitted on."""

    fitted: list[ImageSet] = []  # noqa: RUF012

    def __init__(self, *, components, seed):
        assert components == 1  # poison would be a component of its own
        self.seed = seed

    def fit(self, classifier, chosen):
        self.fitted.append(chosen)
        self.chosen = chosen
        return self

    def left_out(self):
        return np.arange(len(self.chosen), dtype=float)


@pytest.fixture
def noted(monkeypatch):
    monkeypatch.setattr(ranking, "SmoothnessProfile", Noted)
    Noted.fitted = []
    images = np.random.default_rng(0).random((2000, 1, 2, 2)).astype(np.float32)
    model = as_classifier(lambda x: x.reshape(len(x), -1), input_shape=(1, 2, 2), num_classes=4)
    return model, ImageSet(images)


def test_each_round_is_fitted_on_the_half_that_stood_out_least_before(noted):
    model, data = noted
    scores = np.random.default_rng(1).random(len(data))
    seeds = [ranking.fitted_round(model, data, [scores] * k, seed=7).seed for k in range(ranking.ROUNDS)]
    assert len(set(seeds)) == ranking.ROUNDS  # draws of its own
    first, once, twice, *later = [len(f) for f in Noted.fitted]
    assert (first, once, twice) == (500, 450, 405)
    assert later == [500] * (ranking.ROUNDS - 1)
    calm = {data.ids[i] for i in np.argsort(scores)[:1000]}
    drawn = [set(f.ids) for f in Noted.fitted[3:]]
    assert all(ids <= calm for ids in drawn)
    assert drawn[0] != drawn[1]
    assert [ranking.fitted_round(model, data, [scores], seed=None).seed for _ in range(2)] == [None, None]


def test_the_list_is_that_of_the_mean_rank(noted):
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
    found = ranking.verdict_of(ranking.rank(model, bad, seed=2)[1], rate=0.1)
    assert found.drop.sum() == 144
    assert (found.drop & bad.poisoned).sum() > 75
