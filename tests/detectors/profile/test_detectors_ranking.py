"""The ranking without clean images: which samples each round takes for clean."""

from __future__ import annotations

import numpy as np
import pytest

from doldrum.classifiers import as_classifier
from doldrum.data import ImageSet
from doldrum.detectors.profile import ranking


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
