"""Estimators against independent implementations, enumeration, and the bias figures on record."""

from __future__ import annotations

import itertools
import math
import time

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import digamma, gammaln, polygamma
from scipy.stats import entropy as scipy_entropy

from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.stats import entropy

W_ESTIMATORS = [entropy.plug_in, entropy.miller_madow, entropy.grassberger, entropy.nsb]
ALL = [*W_ESTIMATORS, entropy.collision]


def slow_nsb(counts: list[int]) -> float:
    """Adaptive quadrature over beta itself, from the published equations."""
    k, n = len(counts), sum(counts)

    def evidence(beta: float) -> float:
        slope = k * polygamma(1, k * beta + 1) - polygamma(1, beta + 1)
        log = gammaln(k * beta) - gammaln(n + k * beta) + sum(gammaln(c + beta) - gammaln(beta) for c in counts)
        return float(slope) * math.exp(log - scale)

    def mean(beta: float) -> float:
        total = n + k * beta
        return float(digamma(total + 1) - sum((c + beta) / total * digamma(c + beta + 1) for c in counts))

    scale = 0.0
    scale = max(math.log(max(evidence(b), 1e-300)) if evidence(b) > 0 else -700.0 for b in (0.01, 0.1, 1.0, 10.0))
    pieces = [0, 1e-3, 1e-2, 0.1, 0.3, 1, 3, 10, 100, 1e3, 3e3]
    top = sum(quad(lambda b: evidence(b) * mean(b), a, z, limit=200)[0] for a, z in itertools.pairwise(pieces))
    bottom = sum(quad(evidence, a, z, limit=200)[0] for a, z in itertools.pairwise(pieces))
    return top / bottom / math.log(k)


@pytest.mark.parametrize(
    "counts",
    [[10, 0, 0], [4, 3, 3], [8, 2] + [0] * 8, [60, 25, 10, 5, 0, 0, 0, 0, 0, 0], [3, 1, 1] + [0] * 197, [100, 0]],
)
def test_nsb_is_the_published_integral(counts: list[int]) -> None:
    assert float(entropy.nsb(counts)) == pytest.approx(slow_nsb(counts), abs=2e-4)


def test_plug_in_is_scipys_entropy() -> None:
    counts = rng(1, "counts").multinomial(30, [0.5, 0.3, 0.1, 0.1, 0.0], size=(4, 6))
    expected = scipy_entropy(counts, axis=-1, base=5)
    np.testing.assert_allclose(entropy.plug_in(counts), expected, atol=1e-12)


def test_grassberger_by_its_recursion() -> None:
    g = {1: -np.euler_gamma - math.log(2)}
    g[2] = 2 + g[1]
    for c in range(3, 60):
        g[c] = g[c - 1] if c % 2 else g[c - 2] + 2 / (c - 1)
    for counts in ([8, 2, 0, 0], [33, 20, 5, 1], [7, 0, 0]):
        n = sum(counts)
        nats = math.log(n) - sum(c * g[c] for c in counts if c) / n
        assert float(entropy.grassberger(counts)) == pytest.approx(
            min(max(nats / math.log(len(counts)), 0), 1), abs=1e-9
        )


def test_collision_is_unbiased_by_enumeration() -> None:
    p, n = np.array([0.6, 0.3, 0.1]), 4
    expected = 0.0
    for draws in itertools.product(range(3), repeat=n):
        expected += p[list(draws)].prod() * float(entropy.collision(np.bincount(draws, minlength=3)))
    assert expected == pytest.approx(1 - (p**2).sum(), abs=1e-12)


def test_bias_at_ten_draws_is_the_one_on_record() -> None:
    source = rng(0, "bias")
    p = source.dirichlet(np.full(10, 0.5), size=4000)
    p = p[np.abs(scipy_entropy(p, axis=1, base=10) - 0.6) < 0.2]
    truth = scipy_entropy(p, axis=1, base=10)
    counts = source.multinomial(10, p)
    bias = [float((estimator(counts) - truth).mean()) for estimator in W_ESTIMATORS]
    np.testing.assert_allclose(bias, [-0.13, -0.08, -0.02, -0.01], atol=0.03)


@pytest.mark.parametrize("estimator", ALL)
def test_range_order_of_classes_and_empty_rows(estimator) -> None:
    counts = rng(2, "counts").multinomial(12, np.full(6, 1 / 6), size=(3, 4))
    value = estimator(counts)
    assert value.shape == (3, 4)
    assert ((value >= 0) & (value <= 1)).all()
    np.testing.assert_allclose(estimator(counts[..., ::-1]), value, atol=1e-12)
    assert np.isnan(estimator([0, 0, 0]))
    assert estimator(np.zeros((0, 3), dtype=int)).shape == (0,)
    calm = estimator([20, 0, 0])
    assert not np.signbit(calm)
    assert calm < 0.1


def test_collision_needs_two_draws() -> None:
    assert np.isnan(entropy.collision([1, 0]))


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("bad", [[1.0, 2.0], [-1, 3], [5], 5])
def test_wrong_counts_are_refused(estimator, bad) -> None:
    with pytest.raises(InputError, match="expected"):
        estimator(bad)


def test_nsb_of_many_rows_is_fast() -> None:
    p = rng(3, "p").dirichlet(np.full(10, 0.3), size=50_000)
    counts = rng(3, "counts").multinomial(100, p)
    start = time.perf_counter()
    entropy.nsb(counts)
    assert time.perf_counter() - start < 20  # about 3 s on an idle core; the bound only catches a row at a time
