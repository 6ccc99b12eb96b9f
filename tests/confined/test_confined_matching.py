"""Class names to numbers, accuracy, doubts about a model: each against a plain calculation."""

from __future__ import annotations

import numpy as np
import pytest

from doldrum.confined.matching import accuracy_of, class_numbers, doubts


@pytest.mark.parametrize(
    ("labels", "names", "table", "classes", "wanted"),
    [
        (["ankle_boot", "T-Shirt"], ["t-shirt", "Ankle boot"], (), 2, [1, 0]),
        (["0", "9", None], None, (), 10, [0, 9, -1]),
        (["3"], ["a", "b", "c", "d"], (), 4, [3]),
        (["dog", "cat"], None, ["dog", "cat"], 2, [0, 1]),
        (["dog", "cat"], None, (), 2, [1, 0]),
        (["dog", "cat"], None, (), 3, None),
        (["dog"], ["cat", "bird"], (), 2, None),
        (["10"], None, (), 10, None),
        (["٣"], None, (), 10, None),  # a digit, and no class number
        (["9" * 5000], None, (), 10, None),
        ([None, None], ["a", "b"], (), 2, None),
    ],
)
def test_names_of_classes_become_numbers(labels, names, table, classes, wanted):
    found, how = class_numbers(labels, model_names=names, table_names=table, num_classes=classes)
    assert how
    assert (None if found is None else found.tolist()) == wanted


def test_doubts_come_before_conclusions():
    truth = np.arange(300) % 10
    right = accuracy_of(truth, truth)
    assert right == {
        "value": 1.0,
        "lower": pytest.approx(0.0125**0 * (0.025 ** (1 / 300))),
        "upper": 1.0,
        "labelled": 300,
    }
    assert doubts(truth, right, claimed=0.99, num_classes=10) == []
    half = np.where(np.arange(300) % 2, truth, (truth + 1) % 10)
    assert (
        "far below the claimed accuracy of 93.0%"
        in doubts(half, accuracy_of(half, truth), claimed=0.93, num_classes=10)[0]
    )
    assert doubts(half, accuracy_of(half, truth), claimed=None, num_classes=10) == []
    wrong = (truth + 1 + np.arange(300) // 10 % 9) % 10
    assert "hardly better than guessing" in doubts(wrong, accuracy_of(wrong, truth), claimed=None, num_classes=10)[0]
    assert "the same class" in doubts(np.zeros(100, dtype=int), None, claimed=None, num_classes=10)[0]
    assert "NaN" in doubts(np.array([-1, 0, 1, 2]), None, claimed=None, num_classes=10)[0]
    assert accuracy_of(truth, np.full(300, -1)) is None


def test_labels_of_arrays_are_class_numbers_and_never_names():
    names = ["0", "1", "10", "2", *"3456789"]  # folders in order of their names
    as_numbers, how = class_numbers(["2", None, "10"], model_names=names, table_names=(), num_classes=11, numbered=True)
    assert as_numbers.tolist() == [2, -1, 10]
    assert "class numbers" in how
    by_name, _ = class_numbers(["2", None, "10"], model_names=names, table_names=(), num_classes=11)
    assert by_name.tolist() == [3, -1, 2]
    for labels in (["1", "2", "3"], ["0", "1", "9" * 5000]):  # as many as classes, but not these
        found, why = class_numbers(labels, model_names=None, table_names=(), num_classes=3, numbered=True)
        assert found is None
        assert "beyond the model's 3 classes" in why
