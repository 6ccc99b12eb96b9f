"""Where a model's answer is in what it returns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from doldrum.classifiers.outputs import answer_of, find_answer
from doldrum.errors import ClassifierError

SCORES = np.arange(20.0).reshape(2, 10)
OTHER = np.zeros((2, 64))
MAP = np.zeros((2, 3, 4, 4))


class Both(NamedTuple):
    aux_logits: Any
    logits: Any


@pytest.mark.parametrize(
    "returned",
    [
        SCORES,
        torch.from_numpy(SCORES),
        SimpleNamespace(logits=SCORES, loss=None),
        Both(OTHER, SCORES),
        {"logits": SCORES, "scores": SCORES + 1},
        {"features": OTHER, "scores": SCORES},
        {"scores": MAP, "probs": SCORES},  # the name fits, the shape doesn't
        {"features": OTHER, "map": MAP, "head": SCORES},
        (SCORES, OTHER),
        [MAP, None, SCORES],
        (OTHER, SCORES, {"more": 1}),
    ],
)
def test_the_scores_are_found(returned) -> None:
    found = answer_of(returned, rows=2, num_classes=10)
    assert np.array_equal(np.asarray(found), SCORES)


def test_what_a_model_is_declared_to_give_is_what_is_taken() -> None:
    labels = np.array([3, 1])
    returned = {"logits": SCORES, "probs": SCORES / SCORES.sum(axis=1, keepdims=True), "labels": labels}
    assert find_answer(returned, rows=2, num_classes=10, outputs="logits") == ("key", "logits")
    assert find_answer(returned, rows=2, num_classes=10, outputs="probabilities") == ("key", "probs")
    assert find_answer(returned, rows=2, num_classes=10, outputs="labels") == ("key", "labels")
    assert find_answer((SCORES, labels), rows=2, outputs="labels") == ("item", 1)


def test_without_a_number_of_classes_any_one_matrix_will_do() -> None:
    assert find_answer((MAP, SCORES), rows=2) == ("item", 1)
    with pytest.raises(ClassifierError, match=r"shape \(2, K\).*got a tuple of \(2, 10\), \(2, 64\)"):
        find_answer((SCORES, OTHER), rows=2)


@pytest.mark.parametrize(
    ("returned", "found"),
    [
        ((SCORES, SCORES), r"got a tuple of \(2, 10\), \(2, 10\)"),
        ((MAP, OTHER), r"got a tuple of \(2, 3, 4, 4\), \(2, 64\)"),
        ({"features": OTHER, "n": 3}, r"got a dict of features \(2, 64\), n int"),
        ({}, "got a dict of nothing"),
    ],
)
def test_what_can_be_no_answer_is_named(returned, found) -> None:
    with pytest.raises(ClassifierError, match=found):
        answer_of(returned, rows=2, num_classes=10)


def test_rows_of_plain_numbers_are_the_answer_themselves() -> None:
    for returned in ([[0.1, 0.9], [0.5, 0.5]], [1, 0], [np.array([0.1, 0.9]), np.array([0.5, 0.5])], None, "cat"):
        assert find_answer(returned, rows=2, num_classes=2) is None
