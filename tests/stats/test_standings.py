"""deviations: against the formula written out, and by simulation: p-values of the largest one are valid."""

from __future__ import annotations

import math

import numpy as np
import pytest

from doldrum.seeds import rng
from doldrum.stats.standings import deviations


def test_the_formula_written_out() -> None:
    chance = rng(0, "standings")
    objects = [{("a", j): float(v) for j, v in enumerate(chance.normal(size=3) * [1, 2, 3])} for _ in range(7)]
    found = deviations(objects, kind=lambda name: name[0], least=0.01)
    for m, one in enumerate(objects):
        others = [o for i, o in enumerate(objects) if i != m]
        pooled = np.mean([np.var([o["a", j] for o in others], ddof=1) for j in range(3)])
        for j in range(3):
            values = [o["a", j] for o in others]
            spread = math.sqrt((5 * np.var(values, ddof=1) + 10 * pooled) / 15)
            assert found[m]["a", j] == pytest.approx((one["a", j] - np.mean(values)) / spread)


def test_kinds_do_not_mix_and_the_spread_has_a_floor() -> None:
    objects = [{"a": 1.0, "b": float(i)} for i in range(5)]
    objects[0]["a"] = 2.0
    found = deviations(objects, kind=lambda name: name, least=0.5)
    assert found[0]["a"] == pytest.approx((2 - 1) / 0.5)


def test_rare_figures_are_compared_with_their_kind() -> None:
    objects = [{"x": 1.0, "y": 3.0}, {"x": 3.0}, {"x": 1.0}, {"x": 3.0}]
    found = deviations(objects, kind=lambda name: 0, least=0.1)
    assert found[0]["y"] == pytest.approx((3 - np.mean([3, 1, 3])) / np.std([3, 1, 3]))


def test_what_is_missing_or_not_finite_has_no_deviation() -> None:
    objects = [{"x": math.nan, "y": 1.0}, {"x": 2.0}, {"x": math.inf}, {"x": 1.0}]
    found = deviations(objects, kind=lambda name: name, least=0.1)
    assert "x" not in found[0]
    assert "y" not in found[0]  # no other has it
    assert "x" not in found[2]
    assert deviations([{}, {}], kind=lambda name: name, least=0.1) == [{}, {}]


def test_p_values_of_the_largest_deviation_are_valid() -> None:
    """Heavy tails, figures of unlike spread, some missing: of exchangeable objects at most 10% have p <= .1."""
    chance = rng(1, "standings")
    hits, runs = 0, 600
    for _ in range(runs):
        values = chance.standard_t(3, size=(20, 5)) * [1, 2, 3, 4, 5] + chance.normal(size=5)
        values[chance.random(values.shape) < 0.1] = np.nan
        objects = [dict(enumerate(row.tolist())) for row in values]
        scores = [max(one.values(), default=-math.inf) for one in deviations(objects, kind=lambda name: 0, least=0.05)]
        hits += (1 + sum(s >= scores[0] for s in scores[1:])) / 20 <= 0.1
    # 2 of 20: exactly .1 on average; six deviations of a binomial either way.
    assert abs(hits / runs - 0.1) < 6 * math.sqrt(0.09 / runs)
