"""Concentration, class names to numbers, doubts about a model, ladders, settings: each against a plain calculation."""

from __future__ import annotations

import dataclasses
from math import comb

import numpy as np
import pytest

from doldrum.audit import AuditSettings
from doldrum.audit.budget import LADDER, fitting_step, forwards_of
from doldrum.audit.matching import accuracy_of, class_numbers, doubts
from doldrum.audit.verdict import concentration
from doldrum.audit.work import split_clean
from doldrum.errors import InputError


def tail(total, size, flags, held):
    """P(at least `held` of `flags` drawn without replacement lie among `size` of `total`), term by term."""
    return sum(comb(size, k) * comb(total - size, flags - k) for k in range(held, min(size, flags) + 1)) / comb(
        total, flags
    )


def test_concentration_is_the_hypergeometric_tail_times_the_classes():
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels = rng.integers(-1, 4, 60)
        flags = rng.random(60) < 0.2
        found = concentration(labels, flags)
        plain = {
            int(c): 5 * tail(60, int((labels == c).sum()), int(flags.sum()), int((flags & (labels == c)).sum()))
            for c in range(-1, 4)
        }
        assert found["p_value"] == pytest.approx(min(1.0, min(plain.values())), rel=1e-9)
        if found["p_value"] < 1:
            assert plain[found["label"]] == pytest.approx(found["p_value"], rel=1e-9)
        assert found["flagged"] == (flags & (labels == found["label"])).sum()
    assert concentration(labels, np.zeros(60, dtype=bool)) is None


def test_concentration_by_chance_is_rare():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 10, 500)
    p = [concentration(labels, rng.permutation(500) < 30)["p_value"] for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) < 0.08


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
        "far below the 93.0% that is claimed" in doubts(half, accuracy_of(half, truth), claimed=0.93, num_classes=10)[0]
    )
    assert doubts(half, accuracy_of(half, truth), claimed=None, num_classes=10) == []
    wrong = (truth + 1 + np.arange(300) // 10 % 9) % 10
    assert "hardly better than a guess" in doubts(wrong, accuracy_of(wrong, truth), claimed=None, num_classes=10)[0]
    assert "the same class" in doubts(np.zeros(100, dtype=int), None, claimed=None, num_classes=10)[0]
    assert "NaN" in doubts(np.array([-1, 0, 1, 2]), None, claimed=None, num_classes=10)[0]
    assert accuracy_of(truth, np.full(300, -1)) is None


@pytest.mark.parametrize(
    ("count", "fpr"), [(149, 0.01), (200, 0.01), (1500, 0.01), (60_000, 0.01), (2_000, 0.001), (70, 0.05)]
)
def test_clean_images_are_split_without_overlap(count, fpr):
    fit, calibration = split_clean(count, fpr, 0)
    assert not set(fit) & set(calibration)
    assert len(fit) >= 50
    assert (len(calibration) + 1) * fpr >= 1 - 1e-9
    assert max(*fit, *calibration) < count
    with pytest.raises(InputError, match="clean images"):
        split_clean(50 + int(1 / fpr) - 2, fpr, 0)


@pytest.mark.parametrize("budget", [30.0, 60.0, 120.0, 1000.0])
def test_the_largest_step_that_fits_is_taken(budget):
    step, expected = fitting_step(1e-3, budget, inputs=1000, input_shape=(3, 32, 32))
    assert expected == pytest.approx(1e-3 * 1000 * forwards_of((3, 32, 32), step))
    assert expected <= budget
    larger = [s for s in LADDER if s > step]
    assert all(forwards_of((3, 32, 32), s) > 0.85 * budget for s in larger)
    later = fitting_step(1e-3, budget + 40, inputs=1000, input_shape=(3, 32, 32), spent=40.0)
    assert later == (step, expected)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"fpr": 0.0}, "--fpr"),
        ({"claimed_accuracy": 93}, "--claimed-accuracy"),
        ({"mean": (0.5, 0.5)}, "--mean"),
        ({"std": (0.0,)}, "--std"),
        ({"size": (0, 3)}, "--size"),
        ({"outputs": "words"}, "--outputs"),
        ({"images": "nowhere"}, "--images"),
        ({"model": "nowhere"}, "model file"),
        ({"seed": -1}, "--seed"),
        ({"budget": float("inf")}, "--budget"),
    ],
)
def test_settings_are_checked_before_any_work(wrong, says):
    good = AuditSettings(model=".", images=".", out="x")
    with pytest.raises(InputError, match=says):
        dataclasses.replace(good, **wrong)


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
