"""Means over inputs that share draws: coverage by simulation, with and without shared noise that dominates."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.stats.entropy import plug_in
from doldrum.stats.means import mean_entropy, paired_mean_difference

K, RUNS = 3, 200


def simulate(seed: int, *, shared: float, inputs: int, n: int, shift: float = 0.0) -> np.ndarray:
    """Labels of inputs at random margins m under noise that is partly common to all: label 1 where m + noise < 0."""
    source = rng(seed, "simulate", str(shared), inputs, n)
    margin = np.abs(source.standard_normal(inputs)) + 0.2 + shift
    noise = np.sqrt(shared) * source.standard_normal(n) + np.sqrt(1 - shared) * source.standard_normal((inputs, n))
    return (margin[:, None] + noise < 0).astype(np.int16)


def target(n: int, shift: float = 0.0) -> float:
    """Mean plug-in W at n draws over all inputs: exact over the draws, by a fine grid over the inputs."""
    from scipy.stats import binom

    m = norm.ppf(0.5 + (np.arange(2000) + 0.5) / 4000) + 0.2 + shift
    x = np.arange(n + 1)
    w = plug_in(np.stack([x, n - x, np.zeros_like(x)], axis=1))
    return float((binom.pmf(x, n, norm.cdf(-m)[:, None]) * w).sum(axis=1).mean())


def test_few_shared_draws_cover_less_as_documented() -> None:
    truth, hits = target(10), 0
    for run in range(RUNS):
        interval = mean_entropy(simulate(run, shared=0.99, inputs=50, n=10), K, level=0.95)
        hits += interval.lower <= truth <= interval.upper
    assert hits / RUNS > 0.84


@pytest.mark.parametrize(("shared", "inputs", "n"), [(0.0, 100, 50), (0.5, 100, 50), (0.99, 200, 100), (0.99, 100, 30)])
def test_mean_covers_whatever_is_shared(shared: float, inputs: int, n: int) -> None:
    truth = target(n)
    hits = 0
    for run in range(RUNS):
        interval = mean_entropy(simulate(run, shared=shared, inputs=inputs, n=n), K, level=0.9)
        hits += interval.lower <= truth <= interval.upper
    assert hits / RUNS > 0.9 - 3 * (0.09 / RUNS) ** 0.5


def test_paired_difference_covers_and_is_tighter_than_apart() -> None:
    n, inputs, hits, tighter = 100, 60, 0, 0
    truth = target(n, 0.3) - target(n)
    for run in range(RUNS):
        a = simulate(run, shared=0.9, inputs=inputs, n=n, shift=0.3)
        b = simulate(run, shared=0.9, inputs=inputs, n=n)
        d, wa, wb = paired_mean_difference(a, b, K, level=0.9), mean_entropy(a, K), mean_entropy(b, K)
        assert d.value == pytest.approx(wa.value - wb.value)
        hits += d.lower <= truth <= d.upper
        tighter += d.upper - d.lower < (wa.upper - wa.lower + wb.upper - wb.lower) / 2
    assert hits / RUNS > 0.9 - 3 * (0.09 / RUNS) ** 0.5
    assert tighter > 0.9 * RUNS


def test_shared_noise_widens_the_interval() -> None:
    apart = mean_entropy(simulate(0, shared=0.0, inputs=400, n=100), K)
    shared = mean_entropy(simulate(0, shared=0.99, inputs=400, n=100), K)
    assert shared.upper - shared.lower > 2 * (apart.upper - apart.lower)


def test_all_calm_does_not_collapse() -> None:
    """A noise of probability 2% that flips every input at once is easily absent from 100 draws."""
    interval = mean_entropy(np.zeros((1000, 100), dtype=np.int16), 10)
    assert interval.value == interval.lower == 0
    hidden = float(plug_in(np.array([98, 2] + [0] * 8)))
    assert hidden < interval.upper < 0.2
    calm = np.zeros((1000, 100), dtype=np.int16)
    both = paired_mean_difference(calm, calm, 10)
    assert (both.value, both.lower, both.upper) == (0, -interval.upper, interval.upper)


def test_codes_are_left_out() -> None:
    draws = simulate(1, shared=0.0, inputs=20, n=30)
    padded = np.concatenate([draws, np.full((20, 5), -2, dtype=np.int16)], axis=1)
    padded = np.concatenate([padded, np.full((1, 35), -1, dtype=np.int16)])
    assert mean_entropy(padded, K) == mean_entropy(draws, K)


def test_edges() -> None:
    assert np.isnan(mean_entropy(np.zeros((0, 10), dtype=np.int16), K).value)
    assert np.isnan(mean_entropy(np.full((3, 10), -1, dtype=np.int16), K).value)
    one_draw = mean_entropy(np.zeros((3, 1), dtype=np.int16), K)
    assert (one_draw.lower, one_draw.upper) == (0, 1)
    single = mean_entropy(simulate(0, shared=0.0, inputs=1, n=40), K)
    assert 0 <= single.lower <= single.value <= single.upper <= 1


@pytest.mark.parametrize("bad", [np.zeros(3, dtype=int), np.zeros((2, 2)), np.full((2, 2), 3)])
def test_wrong_labels_are_refused(bad) -> None:
    with pytest.raises(InputError, match="expected"):
        mean_entropy(bad, K)


def test_pairs_must_match() -> None:
    with pytest.raises(InputError, match="shape"):
        paired_mean_difference(np.zeros((2, 3), dtype=int), np.zeros((2, 4), dtype=int), K)
