"""Rank correlation and the cluster bootstrap: against SciPy, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.stats.correlation import cluster_bootstrap, rank_correlation


@pytest.fixture
def data():
    x = rng(0, "x").integers(0, 8, 40).astype(float)  # with ties
    return x, 0.5 * x + rng(0, "y").normal(size=40)


def test_one_stratum_is_scipys(data):
    x, y = data
    assert rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert rank_correlation(x, y, kind="kendall") == pytest.approx(stats.kendalltau(x, y).statistic)


def test_partial_spearman_is_the_textbook_formula(data):
    x, y = data
    z = x + rng(1, "z").normal(size=40)
    xy, xz, yz = (stats.spearmanr(a, b).statistic for a, b in ((x, y), (x, z), (y, z)))
    formula = (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))
    assert rank_correlation(x, y, adjust=[z]) == pytest.approx(formula)


def test_adjusting_for_two_is_the_inverse_of_the_rank_correlations(data):
    x, y = data
    z, w = x + rng(1, "z").normal(size=40), rng(2, "w").normal(size=40)
    inverse = np.linalg.inv(stats.spearmanr(np.stack([x, y, z, w], axis=1)).statistic)
    expected = -inverse[0, 1] / math.sqrt(inverse[0, 0] * inverse[1, 1])
    assert rank_correlation(x, y, adjust=[z, w]) == pytest.approx(expected)


def test_strata_take_out_what_differs_between_them():
    draws = rng(3, "strata")
    strata = np.repeat([0, 1, 2], 30)
    x = draws.normal(size=90) + 10 * strata
    y = draws.normal(size=90) - 10 * strata
    assert rank_correlation(x, y) < -0.8
    assert abs(rank_correlation(x, y, strata=strata)) < 0.25
    # Equal strata: the pooled coefficient is the mean of theirs.
    each = [stats.spearmanr(x[strata == s], y[strata == s]).statistic for s in range(3)]
    assert rank_correlation(x, y, strata=strata) == pytest.approx(np.mean(each))
    each = [stats.kendalltau(x[strata == s], y[strata == s]).statistic for s in range(3)]
    assert rank_correlation(x, y, strata=strata, kind="kendall") == pytest.approx(np.mean(each))


def test_no_variation_is_nan(data):
    x, _ = data
    assert math.isnan(rank_correlation(x, np.ones(40)))
    assert math.isnan(rank_correlation(x, np.ones(40), kind="kendall"))
    assert math.isnan(rank_correlation(x, x**3, adjust=[x]))


def test_refusals(data):
    x, y = data
    with pytest.raises(InputError, match="one length"):
        rank_correlation(x, y[:-1])
    with pytest.raises(InputError, match="finite"):
        rank_correlation(x, y * np.nan)
    with pytest.raises(InputError, match="leave out adjust"):
        rank_correlation(x, y, adjust=[x], kind="kendall")
    with pytest.raises(InputError, match="kind"):
        rank_correlation(x, y, kind="pearson")  # type: ignore[arg-type]


def test_single_rows_are_the_ordinary_bootstrap(data):
    _, y = data
    ours = cluster_bootstrap(lambda rows: float(y[rows].mean()), np.arange(40), resamples=4000)
    theirs = stats.bootstrap((y,), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(0))
    assert (ours.lower, ours.upper) == pytest.approx(tuple(theirs.confidence_interval), abs=0.04)


def test_resamples_keep_strata_and_whole_clusters():
    clusters, strata = np.repeat(np.arange(6), 3), np.repeat([0, 0, 1], 6)
    seen = []

    def look(rows):
        seen.append((np.sort(rows), strata[rows].sum()))
        return 0.0

    cluster_bootstrap(look, clusters, strata=strata, resamples=50)
    for rows, ones in seen:
        assert ones == 6
        counts = np.bincount(rows, minlength=18).reshape(6, 3)
        assert (counts == counts[:, :1]).all()


def test_coverage_with_correlated_inputs():
    """30 models of 20 inputs that share their model's effect: resampling models covers, resampling inputs does not."""
    draws, runs = rng(5, "coverage"), 80
    clusters = np.repeat(np.arange(30), 20)
    by_model = by_input = 0
    for run in range(runs):
        values = draws.normal(0, 1, 30)[clusters] + draws.normal(0, 1, 600)
        mean = lambda rows, values=values: float(values[rows].mean())  # noqa: E731
        found = cluster_bootstrap(mean, clusters, resamples=200, seed=run)
        by_model += found.lower <= 0 <= found.upper
        found = cluster_bootstrap(mean, np.arange(600), resamples=60, seed=run)
        by_input += found.lower <= 0 <= found.upper
    assert 0.88 <= by_model / runs <= 0.985
    assert by_input / runs < 0.6


def test_coverage_of_the_correlation_over_60_models():
    """A normal pair of correlation 0.5: its Spearman coefficient is 6 / pi * asin(0.25)."""
    draws, runs, held = rng(6, "spearman"), 40, 0
    truth = 6 / math.pi * math.asin(0.25)
    for run in range(runs):
        x = draws.normal(size=60)
        y = 0.5 * x + math.sqrt(0.75) * draws.normal(size=60)
        found = cluster_bootstrap(
            lambda rows, x=x, y=y: rank_correlation(x[rows], y[rows]), np.arange(60), resamples=120, seed=run
        )
        held += found.lower <= truth <= found.upper
    assert held / runs >= 0.95 - 4 * math.sqrt(0.05 * 0.95 / runs)
