"""Intervals: coverage by simulation, and the limits they are made of against independent implementations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binom, binomtest
from scipy.stats import entropy as scipy_entropy

from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.stats import entropy, intervals
from doldrum.stats.majorization import (
    _partial_sum_limits,
    calmest,
    least_concave_majorant,
    limit_distributions,
    limited_sizes,
)
from doldrum.stats.proportions import sets_lower

LEVEL = 0.9


def shapes(k: int) -> dict[str, np.ndarray]:
    """Label distributions from calm to wild."""
    calm = np.full(k, 0.03 / (k - 1))
    calm[0] = 0.97
    halves = np.zeros(k)
    halves[:2] = 0.5
    geometric = 0.5 ** np.arange(k)
    return {
        "one label": np.eye(k)[0],
        "calm": calm,
        "one in 300": np.eye(k)[0] * (1 - 1 / 300) + np.eye(k)[1] / 300,
        "halves": halves,
        "geometric": geometric / geometric.sum(),
        "slow geometric": 0.9 ** np.arange(k) / (0.9 ** np.arange(k)).sum(),
        "uniform": np.full(k, 1 / k),
        "Dirichlet": rng(0, "p", k).dirichlet(np.full(k, 0.2)),
    }


@pytest.mark.parametrize(("k", "n"), list(itertools.product([2, 10, 200], [10, 100, 1000])))
def test_guaranteed_intervals_cover_every_distribution(k: int, n: int) -> None:
    runs = 400 if k < 200 else 150
    for name, p in shapes(k).items():
        counts = rng(0, "coverage", k, n, name).multinomial(n, p, size=runs)
        w, c = scipy_entropy(p, base=k), 1 - (p**2).sum()
        eps = 1e-9
        for truth, (lower, upper) in (
            (w, intervals.entropy_interval(counts, level=LEVEL)),
            (c, intervals.collision_interval(counts, level=LEVEL)),
        ):
            covered = int(((lower <= truth + eps) & (truth <= upper + eps)).sum())
            # Refuted only if so few covered is a one-in-10,000 event at the promised rate.
            assert binom.cdf(covered, runs, LEVEL) > 1e-4, (name, covered)
            assert (lower >= 0).all()
            assert (upper <= 1).all()


@pytest.mark.parametrize(("k", "n"), [(2, 10), (2, 100), (10, 10), (10, 100), (10, 1000), (200, 10), (200, 100)])
def test_posterior_intervals_cover_on_average_over_their_prior(k: int, n: int) -> None:
    runs = 300 if k < 200 else 100
    source = rng(0, "posterior", k, n)
    grid = np.exp(np.arange(np.log(1e-7), np.log(1e8), 0.05))
    from scipy.special import digamma

    xi = digamma(k * grid + 1) - digamma(grid + 1)
    beta = np.interp(source.random(runs) * np.log(k), xi, grid)
    log_g = np.log(source.standard_gamma(beta[:, None] + 1, size=(runs, k)))
    log_g += np.log(source.random((runs, k))) / beta[:, None]
    p = np.exp(log_g - log_g.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    truth = scipy_entropy(p, axis=1, base=k)
    counts = source.multinomial(n, p)
    lower, upper = intervals.entropy_interval(counts, level=LEVEL, method="posterior")
    covered = int(((lower <= truth) & (truth <= upper)).sum())
    assert binomtest(covered, runs, LEVEL).pvalue > 1e-3, covered
    guaranteed = intervals.entropy_interval(counts, level=LEVEL)
    assert (upper - lower).mean() < (guaranteed[1] - guaranteed[0]).mean()


def test_posterior_depends_on_the_row_alone() -> None:
    rows = np.array([[7, 2, 1], [10, 0, 0], [1, 7, 2]])
    lower, upper = intervals.entropy_interval(rows, method="posterior")
    again = intervals.entropy_interval(rows[2], method="posterior")
    assert (lower[0], upper[0]) == (lower[2], upper[2]) == (float(again[0]), float(again[1]))


@pytest.mark.parametrize("seed", range(6))
def test_wild_is_the_maximum_under_its_lower_limits(seed: int) -> None:
    """By a general optimiser: the highest entropy with the top m classes holding at least what `wild` gives them."""
    k = 5
    counts = np.sort(rng(seed, "rows").multinomial(40, rng(seed, "p").dirichlet(np.full(k, 0.5))))[None, ::-1]
    limits = limit_distributions(counts, alpha=0.1)
    assert (limits.width == 1).all()
    floor = np.cumsum(limits.wild[0])
    result = minimize(
        lambda p: float((p * np.log(np.maximum(p, 1e-15))).sum()),
        np.full(k, 1 / k),
        bounds=[(0, 1)] * k,
        constraints=[
            {"type": "eq", "fun": lambda p: p.sum() - 1},
            {"type": "ineq", "fun": lambda p: np.cumsum(p)[:-1] - floor[:-1]},
        ],
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert -result.fun == pytest.approx(scipy_entropy(limits.wild[0]), abs=1e-5)


@pytest.mark.parametrize("k", [3, 10, 60])
def test_no_distribution_within_the_limits_is_beyond_the_extremes(k: int) -> None:
    """Random sorted p that keep every limit at the sizes used, hugging them: never calmer than `calm`, nor wilder."""
    source = rng(0, "hug", k)
    tried = 0
    for _ in range(40):
        counts = np.sort(source.multinomial(100, source.dirichlet(np.full(k, 0.3))))[::-1]
        limits = limit_distributions(counts[None], alpha=0.1)
        sizes, bottom, top = _partial_sum_limits(counts[None], 0.1)
        p = np.sort(source.dirichlet(np.maximum(counts, 0.2) * source.choice([0.3, 1, 5]), size=300), axis=1)[:, ::-1]
        # Few-level p have the kinks between sizes that straight lines between upper limits would miss.
        blocky = np.repeat(p[:, : -(-k // 5)], 5, axis=1)[:, :k]
        p = np.concatenate([p, blocky / blocky.sum(axis=1, keepdims=True)])
        sums = np.cumsum(p, axis=1)[:, sizes - 1]
        p = p[((sums <= top) & (sums >= bottom)).all(axis=1)]
        tried += len(p)
        assert (np.cumsum(p, axis=1) <= np.cumsum(limits.calm[0]) + 1e-9).all()
        h = scipy_entropy(p, axis=1)
        wild = scipy_entropy(np.repeat(limits.wild[0] / limits.width, limits.width))
        assert ((h >= scipy_entropy(limits.calm[0]) - 1e-9) & (h <= wild + 1e-9)).all()
    assert tried > 50


def test_hull_against_all_chords() -> None:
    source = rng(0, "hull")
    x = np.array([0, 1, 2, 3, 5, 9])
    values = np.sort(source.random((50, 6)), axis=1)
    values[:, 0], values[:, -1] = 0, 1
    hull = least_concave_majorant(x, values)
    for row, got in zip(values, hull, strict=True):
        for j in range(len(x)):
            chords = [
                row[a] + (row[b] - row[a]) * (x[j] - x[a]) / (x[b] - x[a]) if b > a else row[j]
                for a in range(j + 1)
                for b in range(j, len(x))
            ]
            assert got[j] == pytest.approx(max(chords), abs=1e-12)


@pytest.mark.parametrize("k", [2, 10, 200])
def test_plug_in_is_always_inside_and_estimates_are_ordered(k: int) -> None:
    counts = np.concatenate(
        [rng(0, "in", k, i).multinomial(n, np.full(k, 1 / k), 50) for i, n in enumerate((1, 3, 50))]
    )
    counts = np.concatenate([counts, np.eye(k, dtype=int) * 30])
    lower, upper = intervals.entropy_interval(counts)
    w = entropy.plug_in(counts)
    assert ((lower <= w) & (w <= upper)).all()
    for name in ("plug_in", "miller_madow", "grassberger", "nsb", "collision"):
        e = intervals.estimate(counts, name)
        known = ~np.isnan(e.value)
        assert ((e.lower <= e.value) & (e.value <= e.upper))[known].all()


def test_no_draws_means_no_knowledge() -> None:
    lower, upper = intervals.entropy_interval([[0, 0, 0], [4, 0, 0]])
    assert (lower[0], upper[0]) == (0, 1)
    assert intervals.collision_interval([0, 0])[1] == 0.5
    assert intervals.entropy_interval(np.zeros((0, 3), dtype=int))[0].shape == (0,)
    assert np.isnan(intervals.proportion(0, 0).value)


def test_rows_of_unequal_n_are_each_treated_alone() -> None:
    rows = np.array([[9, 1, 0], [90, 10, 0], [0, 0, 0]])
    lower, upper = intervals.entropy_interval(rows)
    for i in range(3):
        assert (lower[i], upper[i]) == tuple(float(v) for v in intervals.entropy_interval(rows[i]))
    assert upper[1] - lower[1] < upper[0] - lower[0]


def test_all_agreeing_is_far_tighter_than_a_box() -> None:
    """n = 100, K = 10, 95%: a Clopper-Pearson box at alpha / K gives W <= .152."""
    lower, upper = intervals.entropy_interval([100] + [0] * 9)
    assert lower == 0
    assert upper < 0.12


def test_clopper_pearson_is_scipys() -> None:
    for x, n in ((0, 7), (3, 7), (7, 7), (98, 100)):
        reference = binomtest(x, n).proportion_ci(0.95)
        got = intervals.proportion(x, n)
        assert (got.lower, got.upper) == pytest.approx((reference.low, reference.high), abs=1e-9)
        one_sided = binomtest(x, n, alternative="greater").proportion_ci(0.99).low
        assert intervals.clopper_pearson(x, n, alpha=0.01, side="lower")[0] == pytest.approx(one_sided, abs=1e-9)


@pytest.mark.parametrize(("k", "n"), [(2, 20), (10, 20), (10, 100), (200, 100)])
def test_dominant_limit_holds_for_the_class_the_draws_chose(k: int, n: int) -> None:
    alpha, runs = 0.1, 2000
    for name, p in shapes(k).items():
        counts = rng(1, "dominant", k, n, name).multinomial(n, p, size=runs)
        wrong = int((intervals.dominant_lower(counts, alpha=alpha) > p[counts.argmax(axis=1)] + 1e-9).sum())
        assert binom.sf(wrong - 1, runs, alpha) > 1e-4, (name, wrong)
    assert intervals.dominant_lower([0] * k, alpha=alpha) == 0


def test_set_limits_hold_for_all_sets_exactly() -> None:
    """Every outcome of 6 draws over 4 classes, enumerated: the chance that any pair of classes is overrated."""
    alpha = 0.2
    outcomes = [c for c in itertools.product(range(7), repeat=4) if sum(c) == 6]
    from scipy.stats import multinomial

    for p in ([0.7, 0.1, 0.1, 0.1], [0.25] * 4, [0.5, 0.5, 0, 0], [0.9, 0.05, 0.05, 0]):
        for size in (1, 2, 3):
            table = sets_lower(np.arange(7), 6, size=size, num_classes=4, alpha=alpha)
            wrong = 0.0
            for c in outcomes:
                sets = itertools.combinations(range(4), size)
                if any(table[sum(c[i] for i in s)] > sum(p[i] for i in s) + 1e-12 for s in sets):
                    wrong += multinomial.pmf(c, 6, p)
            assert wrong <= alpha + 1e-12


def test_classes_fixed_beforehand_are_plain_clopper_pearson() -> None:
    counts = np.array([[90, 10], [10, 90]])
    got = intervals.dominant_lower(counts, alpha=0.01, classes=[0, 0])
    np.testing.assert_allclose(got, intervals.clopper_pearson([90, 10], 100, alpha=0.01, side="lower")[0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: intervals.entropy_interval([1, 2], level=1.0),
        lambda: intervals.entropy_interval([1, 2], method="bootstrap"),  # pyright: ignore[reportArgumentType]
        lambda: intervals.estimate([1, 2], "mle"),
        lambda: intervals.estimate([1, 2], "collision", method="posterior"),
        lambda: intervals.clopper_pearson(3, 2, alpha=0.05),
        lambda: intervals.clopper_pearson(1, 2, alpha=0.05, side="left"),  # pyright: ignore[reportArgumentType]
        lambda: intervals.dominant_lower([1, 2], alpha=0.0),
        lambda: intervals.dominant_lower([1, 2], alpha=0.1, classes=2),
    ],
)
def test_wrong_arguments_are_refused(call) -> None:
    with pytest.raises(InputError, match="expected"):
        call()


@pytest.mark.parametrize("k", [2, 13, 14, 15, 16, 40, 300])
def test_the_calmest_distribution_is_that_of_limits_at_every_size(k) -> None:
    """Against the limits written out for each m and the majorant of all of them."""
    sizes, rng = limited_sizes(k), np.random.default_rng(k)
    high = np.minimum(1.0, rng.random((20, 1)) + 0.2 * rng.random((20, len(sizes))))
    values = np.zeros((20, k + 1))
    values[:, k] = 1
    for m in range(1, k):
        rise, fall = high[:, sizes >= m], (high / sizes)[:, sizes <= m] * m
        values[:, m] = np.minimum(rise.min(axis=1, initial=1.0), fall.min(axis=1))
    want = np.maximum(np.diff(least_concave_majorant(np.arange(k + 1), values), axis=1), 0)
    assert np.allclose(calmest(sizes, high, k), want, atol=1e-12)
