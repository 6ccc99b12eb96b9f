"""What is ours for speed is what SciPy and NumPy give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from doldrum.stats._counts import unique_rows
from doldrum.stats._laws import betabinom_pmf, hypergeom_tail
from doldrum.stats.conformal import flags_interval, flags_limit, num_allowed, realised_fpr
from doldrum.stats.correlation import mid_ranks


def some(count):
    rng = np.random.default_rng(4)
    for _ in range(count):
        m, n = int(10 ** rng.uniform(0, 3.5)), int(rng.integers(20, 2000))
        yield rng, m, n, float(rng.uniform(1.01 / (n + 1), 0.3)), float(rng.choice([0.9, 0.95, 0.99]))


def test_flags_are_beta_binomial_and_their_rate_is_beta() -> None:
    for _, m, n, fpr, level in some(40):
        k, tail = num_allowed(n, fpr), (1 - level) / 2
        law, rate = stats.betabinom(m, k, n + 1 - k), stats.beta(k, n + 1 - k)
        assert betabinom_pmf(m, k, n + 1 - k) == pytest.approx(law.pmf(np.arange(m + 1)), rel=1e-9, abs=1e-300)
        assert flags_interval(m, n, fpr, level=level) == (law.ppf(tail), law.ppf(1 - tail))
        assert flags_limit(m, n, fpr, level=level) == law.ppf(level)
        got = realised_fpr(n, fpr, level=level)
        assert (got.lower, got.upper) == pytest.approx((rate.ppf(tail), rate.ppf(1 - tail)), rel=1e-10)


def test_the_tail_is_hypergeometric() -> None:
    for rng, m, _, _, _ in some(200):
        marked, drawn = (int(rng.integers(1, m + 1)) for _ in range(2))
        held = int(rng.integers(0, min(marked, drawn) + 1))
        want = stats.hypergeom.sf(held - 1, m, marked, drawn)
        got = hypergeom_tail(held, population=m, marked=marked, drawn=drawn)
        assert got == pytest.approx(want, rel=1e-8, abs=1e-300)


@pytest.mark.parametrize(("columns", "most"), [(1, 3), (2, 10**12), (11, 400), (40, 3), (3, 2**62)])
@pytest.mark.parametrize("rows", [0, 1, 500])
def test_distinct_rows_are_numpys(rows, columns, most) -> None:
    rng = np.random.default_rng(columns)
    some = rng.integers(0, most, (max(rows // 3, 1), columns))[rng.integers(0, max(rows // 3, 1), rows)]
    want, where = np.unique(some, axis=0, return_inverse=True)
    found, index = unique_rows(some)
    assert np.array_equal(found, want)
    assert np.array_equal(index, where.reshape(-1))


@pytest.mark.parametrize("size", [0, 1, 7, 300])
def test_ranks_are_scipys(size) -> None:
    values = np.random.default_rng(size).integers(0, 20, size).astype(float)
    values[values == 19] = np.inf
    assert np.array_equal(mid_ranks(values), stats.rankdata(values))
