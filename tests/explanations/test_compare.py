"""The test: exact where it must be, and never more often wrong than it says, in simulated nulls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from doldrum.explanations.compare import choose, rank, worst_p
from doldrum.explanations.search import Found, Source


def test_the_p_value_is_that_of_the_best_control():
    rng = np.random.default_rng(0)
    ours, weak, strong = (rng.random(200) < q for q in (0.7, 0.1, 0.5))
    expected = []
    for control in (weak, strong):
        b, c = int((ours & ~control).sum()), int((~ours & control).sum())
        expected.append(binomtest(b, b + c, 0.5, alternative="greater").pvalue)
    assert worst_p(ours, [weak, strong]) == pytest.approx(max(expected))
    assert worst_p(ours, []) == 1.0


def test_where_one_control_is_as_good_at_most_alpha_is_proven():
    rng = np.random.default_rng(1)
    runs, wrong = 4000, 0
    for _ in range(runs):
        hard = rng.random(60)  # images differ: some go to the class with anything
        ours, equal = rng.random(60) < hard, rng.random(60) < hard
        weak = [rng.random(60) < 0.1 for _ in range(3)]
        wrong += worst_p(ours, [*weak, equal]) <= 0.05
    assert wrong / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert wrong > 0


def found(*levels, by_class=True):
    hits = np.array(levels, dtype=bool)
    return Found(Source("x", np.zeros((1, 1, 1, 1), np.float32), 0), [], hits, np.full(len(hits), by_class))


def test_the_smallest_size_that_does_about_as_well_is_chosen():
    ours = found([1] * 20, [1] * 20, [1] * 19 + [0], [0] * 20)
    control = found([1] * 20, [0] * 20, [0] * 20, [0] * 20)
    choice = choose(ours, [control], np.repeat([1, 2], 10))
    assert (choice.level, choice.scope) == (2, None)
    assert choice.margin == pytest.approx(0.95)


def test_one_class_is_chosen_where_it_alone_goes():
    ours = found([1] * 10 + [0] * 10)
    choice = choose(ours, [found([0] * 20)], np.repeat([1, 2], 10))
    assert (choice.scope, choice.success) == (1, 1.0)
    all_or_none = choose(found([1] * 10 + [0] * 10, by_class=False), [found([0] * 20)], np.repeat([1, 2], 10))
    assert (all_or_none.scope, all_or_none.success) == (None, 0.5)
    assert choose(found([1] * 20), [found([0] * 20)], np.repeat([1, 2], 10)).scope is None


def test_an_image_like_the_controls_ranks_first_no_more_often_than_it_should():
    rng = np.random.default_rng(2)
    runs, first = 800, 0
    classes = np.repeat([1, 2, 3], 8)
    for _ in range(runs):
        # 20 images alike, two methods of three levels each: how far an image goes is its own
        shares = rng.beta(1, 4, (20, 2, 3, 1))
        hits = rng.random((20, 2, 3, len(classes))) < shares
        images = [[found(*method) for method in one] for one in hits]
        place = rank(images[0], [[one[m] for one in images[1:]] for m in range(2)], classes)
        first += place <= 0.05
    assert first / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert first / runs > 0.02
