"""Labels in another order than the model's classes: what is said, and when nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from doldrum.confined.class_order import check_class_order, other_order
from doldrum.confined.matching import class_numbers
from doldrum.errors import InputError

NAMES = ["T-shirt", "Trouser", "Ankle boot", "Bag"]  # the model's order
BY_NAME, HOW = class_numbers(np.repeat(NAMES, 20).tolist(), model_names=None, table_names=(), num_classes=4)
ANSWERS = np.repeat(np.arange(4), 20)


def test_folders_in_alphabetical_order_are_refused_with_the_order_that_the_model_has() -> None:
    with pytest.raises(InputError) as refused:
        check_class_order(ANSWERS, BY_NAME, 4, how=HOW, names=np.repeat(NAMES, 20).tolist())
    text = str(refused.value)
    assert "predicts 0% of the 80 labels, and 100% if its classes are put into another order" in text
    assert (
        "The model's order of the classes seems to be: T-shirt, Trouser, Ankle boot, Bag; pass labels= with a file"
        in text
    )


def test_numbers_are_to_be_numbered_again() -> None:
    with pytest.raises(
        InputError,
        match=r"label 0 is the model's class 1, label 1 is the model's class 2, label 2 is the model's class 3, and so on; number the",
    ):
        check_class_order((ANSWERS + 1) % 4, ANSWERS, 4)
    with pytest.raises(
        InputError, match=r"that label 0 is the model's class 1, label 1 is the model's class 0; number"
    ):
        check_class_order(np.array([1, 0, 2])[np.arange(60) // 20 % 2], np.arange(60) // 20 % 2, 3)


def test_of_more_classes_some_are_told() -> None:
    answers, labels = np.arange(250) % 25, (np.arange(250) + 1) % 25
    told = r"that c0 is the model's class 24, c1 is the model's class 0, c2 is .* class 1, and so on; pass labels="
    with pytest.raises(InputError, match=told):
        check_class_order(answers, labels, 25, how=HOW, names=[f"c{k}" for k in labels])


def test_nothing_is_refused_where_nothing_is_shown() -> None:
    assert check_class_order(ANSWERS, None, 4) is None
    assert check_class_order(ANSWERS, ANSWERS, 4) is None
    assert check_class_order(ANSWERS[:80:5], (ANSWERS[:80:5] + 1) % 4, 4) is None  # 16 images
    half = np.where(np.arange(80) % 2, ANSWERS, (ANSWERS + 1) % 4)
    assert check_class_order(ANSWERS, half, 4) is None
    unknown = np.where(np.arange(80) % 8, -1, (ANSWERS + 1) % 4)
    assert check_class_order(ANSWERS, unknown, 4) is None  # 10 labels
    poor = check_class_order(np.zeros(80, dtype=int), ANSWERS, 4)
    assert poor is not None
    assert other_order(poor) is None


def test_another_order_that_fits_a_little_better_is_a_warning() -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(600) % 4
    answers = np.where(draw.random(600) < 0.25, (labels + 1) % 4, draw.integers(0, 4, 600))
    told = other_order(check_class_order(answers, labels, 4))
    assert told is not None
    assert "The order of the classes may be wrong: the model predicts" in told
    assert "labels=" not in told
