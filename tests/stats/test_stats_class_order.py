"""The best order of classes against all orders, and how often another one is found where there is none."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from doldrum.stats.class_order import class_order


def test_the_order_is_the_best_of_all_and_is_judged_on_other_images() -> None:
    draw = np.random.default_rng(0)
    for _ in range(20):
        labels = np.repeat(np.arange(4), draw.integers(4, 9, 4))
        answers = np.where(draw.random(len(labels)) < 0.6, (labels * 3 + 1) % 4, draw.integers(-1, 4, len(labels)))
        found = class_order(answers, labels, 4)
        first = np.zeros(len(labels), dtype=bool)
        for k in range(4):
            first[np.flatnonzero(labels == k)[::2]] = True
        scores = {o: (np.array(o)[labels] == answers)[first].sum() for o in itertools.permutations(range(4))}
        assert scores[found.order] == max(scores.values())
        right = (np.array(found.order)[labels] == answers)[~first]
        assert (found.best.value, found.given.value) == (right.mean(), (labels == answers).mean())


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_labels_in_another_order_are_found_where_some_classes_are_absent_too(classes: int) -> None:
    labels = np.arange(400) % max(2, classes * 3 // 4)
    draw = np.random.default_rng(1)
    answers = np.where(draw.random(400) < 0.9, (labels + 1) % classes, draw.integers(0, classes, 400))
    found = class_order(answers, labels, classes)
    assert found.wrong
    assert abs(found.best.value - 0.9) < 0.1
    assert all(found.order[k] == (k + 1 if k + 1 < classes else 0) for k in range(len(set(labels))))
    assert set(found.order[len(set(labels)) :]) <= {-1}


@pytest.mark.parametrize("right", [0.0, 0.2, 0.4])
def test_a_poor_model_is_seldom_taken_for_another_order(right: float) -> None:
    draw, wrong, other = np.random.default_rng(2), 0, 0
    for _ in range(300):
        labels = np.arange(60) % 5
        answers = np.where(draw.random(60) < right, labels, draw.integers(0, 5, 60))
        found = class_order(answers, labels, 5)
        wrong, other = wrong + found.wrong, other + found.other
    assert wrong == 0
    assert other <= 9  # the test's own 1% of 300, and chance


def test_one_image_a_class_shows_nothing() -> None:
    found = class_order([1, 2, 0], [0, 1, 2], 3)
    assert (found.order, found.wrong, found.other, found.p_value) == ((1, 2, 0), False, False, 1.0)
