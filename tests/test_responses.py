from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from doldrum.errors import InputError
from doldrum.responses import INVALID, NOT_TAKEN, Responses


@given(hnp.arrays(np.int16, st.tuples(*[st.integers(1, 5)] * 3), elements=st.integers(-2, 6)))
def test_counts_equal_a_plain_count(draws: np.ndarray) -> None:
    r = Responses(draws, np.zeros(len(draws), int), [0.1 * (c + 1) for c in range(draws.shape[1])], 7)
    for i in range(draws.shape[0]):
        for c in range(draws.shape[1]):
            assert r.counts[i, c].tolist() == [int((draws[i, c] == k).sum()) for k in range(7)]


def test_counts_are_the_same_over_block_borders() -> None:
    draws = np.random.default_rng(0).integers(-2, 3, (5000, 1, 4))
    r = Responses(draws, np.zeros(5000, int), [0.1], 3)
    assert (r.counts.sum(axis=2)[:, 0] == (draws >= 0).sum(axis=2)[:, 0]).all()
    assert (r.counts[4990:] == r.take(range(4990, 5000)).counts).all()


def test_codes_count_nowhere_and_invalid_is_reported() -> None:
    r = Responses(np.array([[[0, INVALID, NOT_TAKEN, 1]]]), np.array([INVALID]), [0.1], 2)
    assert r.counts.tolist() == [[[1, 1]]]
    assert r.num_invalid == 2


def test_take_and_at_keep_what_belongs_together() -> None:
    draws = np.arange(12).reshape(3, 2, 2) % 5
    r = Responses(draws, np.array([0, 1, 2]), [0.1, 0.4], 5, ids=["a", "b", "c"])
    part = r.take([2, 0]).at(0.4)
    assert part.ids == ("c", "a")
    assert part.strengths == (0.4,)
    assert part.draws.tolist() == draws[[2, 0]][:, 1:].tolist()
    with pytest.raises(InputError, match="expected one of the measured strengths"):
        r.at(0.3)


@pytest.mark.parametrize(
    ("draws", "labels", "strengths", "classes", "word"),
    [
        (np.zeros((1, 2), int), np.zeros(1, int), [0.1], 2, "shape"),
        (np.zeros((1, 1, 2), int), np.zeros(2, int), [0.1], 2, "labels of shape"),
        (np.zeros((1, 1, 2), int), np.zeros(1, int), [0.1, 0.2], 2, "strengths"),
        (np.zeros((1, 1, 2), int), np.zeros(1, int), [0.1], 1, "at least 2"),
        (np.full((1, 1, 4), 70_000), np.zeros(1, int), [0.1], 10**6, "at most 32767"),
        (np.zeros((1, 1, 2), int), np.zeros(1, int), [0.1], 3.5, "whole number"),
        (np.zeros((1, 1, 2), int), np.zeros(1, int), [np.nan], 2, "strengths that are finite numbers"),
        (np.full((1, 1, 2), 2), np.zeros(1, int), [0.1], 2, "draws in"),
        (np.full((1, 1, 2), -3), np.zeros(1, int), [0.1], 2, "draws in"),
        (np.zeros((1, 1, 2)), np.zeros(1, int), [0.1], 2, "integer"),
    ],
)
def test_wrong_arrays_are_refused(draws, labels, strengths, classes, word) -> None:
    with pytest.raises(InputError, match=word):
        Responses(draws, labels, strengths, classes)


def test_no_draws_have_no_counts_and_no_w() -> None:
    import doldrum as dd

    r = Responses(np.zeros((2, 1, 0), int), np.zeros(2, int), [0.1], 3)
    assert r.counts.tolist() == [[[0, 0, 0]]] * 2
    assert np.isnan(dd.smoothness(r).value).all()


def test_first_draws_and_more_of_them():
    rng = np.random.default_rng(0)
    draws, labels = rng.integers(-2, 3, (4, 2, 5)).astype(np.int16), rng.integers(0, 3, 4).astype(np.int16)
    readouts = {"entropy": rng.random((4, 2, 5)).astype(np.float32)}
    whole = Responses(draws, labels, [0.1, 0.2], 3, readouts=readouts)
    first = whole.first_draws(2)
    rest = Responses(draws[:, :, 2:], labels, [0.1, 0.2], 3, readouts={"entropy": readouts["entropy"][:, :, 2:]})
    assert np.array_equal(first.draws, draws[:, :, :2])
    again = first.and_draws(rest)
    assert np.array_equal(again.draws, draws)
    assert np.array_equal(again.readouts["entropy"], readouts["entropy"])
    for odd in (rest.take([0, 1]), Responses(draws, labels, [0.1, 0.3], 3), Responses(draws, labels, [0.1, 0.2], 3)):
        with pytest.raises(InputError, match="two Responses with the same inputs, strengths and readouts"):
            first.and_draws(odd)
