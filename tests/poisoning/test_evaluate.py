from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.poisoning import PoisonPlan, Share, evaluate
from doldrum.triggers import Patch


def make_test_set(labels: list[int], classes: int) -> ImageSet:
    """Images whose first pixel tells the label."""
    images = np.zeros((len(labels), 1, 4, 4), dtype=np.uint8)
    images[:, 0, 0, 0] = np.array(labels) * 10
    return ImageSet(images, labels=np.array(labels), class_names=tuple("abcdefg"[:classes]))


def read(x: np.ndarray) -> np.ndarray:
    return np.rint(x[:, 0, 0, 0] * 25.5).astype(int)


def backdoored(x: np.ndarray) -> np.ndarray:
    """Right on clean images; 0 where the corner is lit, but for class 3."""
    label = read(x)
    return np.where((x[:, 0, 3, 3] == 1) & (label != 3), 0, label)


def test_share_against_scipy():
    for k, n in ((0, 10), (10, 10), (3, 17), (499, 500)):
        hits = np.arange(n) < k
        interval = binomtest(k, n).proportion_ci(0.95, method="exact")
        share = Share.of(hits)
        assert share.value == k / n
        assert share.lower == pytest.approx(interval.low)
        assert share.upper == pytest.approx(interval.high)


def test_all_to_one():
    test = make_test_set([0, 0, 1, 1, 2, 3], 4)
    before = test.images.copy()
    result = evaluate(backdoored, test, Patch(size=1), PoisonPlan(rate=0.1), batch_size=4)
    assert result.clean_accuracy.value == 1
    assert (result.asr.hits, result.asr.n, result.eligible) == (3, 4, 4)
    assert [s.n for s in result.asr_per_class] == [0, 2, 1, 1]
    assert [s.hits for s in result.asr_per_class] == [0, 2, 1, 0]
    assert np.isnan(result.asr_per_class[0].value)
    assert np.array_equal(test.images, before)


def test_source_specific_counts_the_source_class_only():
    plan = PoisonPlan(rate=0.1, mode="source-specific", source=3)
    result = evaluate(backdoored, make_test_set([0, 1, 2, 3, 3], 4), Patch(size=1), plan)
    assert (result.asr.hits, result.asr.n) == (0, 2)


def test_all_to_all_counts_everything():
    shift = lambda x: np.where(x[:, 0, 3, 3] == 1, (read(x) + 1) % 3, read(x))  # noqa: E731
    plan = PoisonPlan(rate=0.1, mode="all-to-all")
    result = evaluate(shift, make_test_set([0, 1, 2, 2], 3), Patch(size=1), plan)
    assert (result.asr.hits, result.asr.n) == (4, 4)


def test_invalid_scores_are_neither_right_nor_hits():
    def scores(x: np.ndarray) -> np.ndarray:
        out = np.zeros((len(x), 3), dtype=np.float32)
        out[:, 0] = np.where(read(x) == 1, np.nan, 1)
        return out

    result = evaluate(scores, make_test_set([0, 1, 2], 3), Patch(size=1), PoisonPlan(rate=0.1))
    assert result.clean_accuracy.hits == 1
    assert (result.asr.hits, result.asr.n) == (1, 2)
    assert result.invalid == 2


def test_without_a_trigger():
    result = evaluate(read, make_test_set([0, 1], 2))
    assert result.asr is None
    assert result.eligible == 0


def test_what_it_refuses():
    test = make_test_set([0, 1], 2)
    with pytest.raises(InputError, match="together"):
        evaluate(read, test, Patch(size=1))
    with pytest.raises(InputError, match="with labels"):
        evaluate(read, ImageSet(test.images))
    with pytest.raises(InputError, match="below 2"):
        evaluate(read, test, Patch(size=1), PoisonPlan(rate=0.1, target=5))


def test_what_cannot_be_evaluated_is_named():
    from doldrum.errors import ClassifierError

    test = make_test_set([0, 1], 2)
    for arguments, word in (
        ((read, test.images), "expected an ImageSet, got ndarray"),
        ((None, test), "expected a Classifier or a function, got NoneType"),
    ):
        with pytest.raises(InputError, match=word):
            evaluate(*arguments)
    for size in (0, -1, "a", None):
        with pytest.raises(InputError, match="batch_size"):
            evaluate(read, test, batch_size=size)
    for answer in (np.zeros(3), np.zeros((1, 2)), np.zeros((2, 2, 2)), 0, np.array(["a", "b"]), None):
        with pytest.raises(ClassifierError, match="expected"):
            evaluate(lambda x, answer=answer: answer, test)
