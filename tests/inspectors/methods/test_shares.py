"""Shares by class, against a count by hand over pairs of classes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from doldrum.inspectors.methods.shares import log_odds, shares_to


def test_shares_are_means_over_the_other_classes() -> None:
    chance = np.random.default_rng(0)
    before, after = (chance.integers(-1, 4, 300).astype(np.int16) for _ in range(2))
    for k in range(4):
        parts = [np.mean([a == k for b, a in zip(before, after, strict=True) if b == c]) for c in range(4) if c != k]
        assert shares_to(before, after, 4)[k] == pytest.approx(np.mean(parts))


def test_a_class_without_images_counts_for_nothing_and_one_that_all_are_of_is_nan() -> None:
    before, after = np.array([0, 0, 2, 2], np.int16), np.array([1, 0, 1, 1], np.int16)
    assert shares_to(before, after, 4)[1] == 0.75
    alone = shares_to(np.zeros(3, np.int16), np.array([0, 1, 1], np.int16), 2)
    assert math.isnan(alone[0])
    assert alone[1] == pytest.approx(2 / 3)


def test_log_odds_turn_with_the_share() -> None:
    share = np.array([0.0, 0.1, 0.9, 1.0])
    assert log_odds(share, 0.01) == pytest.approx(-log_odds(1 - share, 0.01))
    assert np.isfinite(log_odds(share, 0.01)).all()
    assert log_odds(share, 1e-9)[1] == pytest.approx(math.log(1 / 9))
