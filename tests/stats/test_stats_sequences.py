from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import betaln, xlogy
from scipy.stats import binom

from doldrum.errors import InputError
from doldrum.stats import intervals
from doldrum.stats.sequences import entropy_decision, entropy_sequence, proportion_decision, proportion_sequence
from doldrum.stats.wildest import largest_entropy

ALPHA, RUNS, LOOKS = 0.1, 250, 250


def paths(p: np.ndarray, runs: int = RUNS, looks: int = LOOKS, seed: int = 0) -> np.ndarray:
    """Label counts (runs, looks, K) after 1, 2, … draws."""
    draws = np.random.default_rng(seed).choice(len(p), p=p, size=(runs, looks))
    return np.cumsum(draws[..., None] == np.arange(len(p)), axis=1)


def true_w(p: np.ndarray) -> float:
    return float(-xlogy(p, p).sum() / np.log(len(p)))


DISTRIBUTIONS = {
    "dead calm, 2": [1.0, 0.0],
    "calm, 2": [0.98, 0.02],
    "near the threshold, 2": [0.967, 0.033],
    "even, 2": [0.5, 0.5],
    "dead calm, 10": [1.0] + [0.0] * 9,
    "calm, 10": [0.99, 0.01] + [0.0] * 8,
    "near the threshold, 10": [0.88, 0.1, 0.02] + [0.0] * 7,
    "spread drift, 10": [0.91] + [0.01] * 9,
    "rough, 10": [0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.04, 0.03, 0.02, 0.01],
    "uniform, 10": [0.1] * 10,
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("base", [0, 1, None])
def test_w_stays_inside_at_all_looks_together(name, base) -> None:
    """`base` 1 is a wrong guess: it may cost draws, never validity."""
    p = np.array(DISTRIBUTIONS[name])
    spread = (p > 0).sum() > 3  # no two paths alike: slow, so fewer of them, looked at less often
    counts = paths(p, runs=100)[:, ::5] if spread else paths(p)
    classes = None if base is None else np.full(counts.shape[:2], base)
    lower, upper = entropy_sequence(counts, alpha=ALPHA, base=classes)
    w = true_w(p)
    wrong = ((lower > w + 1e-9) | (upper < w - 1e-9)).any(axis=1)
    assert wrong.mean() <= ALPHA
    assert (lower <= upper).all()
    assert (upper[:, -1] - lower[:, -1]).mean() < (0.3 if max(p) == 1 else 0.7)


def test_limits_made_for_one_look_err_too_often_when_looked_at_often() -> None:
    """What the sequences are for: the same paths break fixed-n limits."""
    counts = paths(np.array(DISTRIBUTIONS["even, 2"]), runs=500, looks=500)
    fixed = intervals.clopper_pearson(counts[..., 0], np.arange(1, 501), alpha=ALPHA)
    anytime = proportion_sequence(counts[..., 0], np.arange(1, 501), alpha=ALPHA)
    errs = [((low > 0.5) | (high < 0.5)).any(axis=1).mean() for low, high in (fixed, anytime)]
    assert errs[0] > 2 * ALPHA
    assert errs[1] <= ALPHA


@pytest.mark.parametrize("w_is", ["above", "below"])
@pytest.mark.parametrize("k", [2, 10])
def test_decisions_next_to_the_threshold_err_at_most_alpha(k, w_is) -> None:
    p = np.array(DISTRIBUTIONS[f"near the threshold, {k}"])
    w = true_w(p)
    threshold = w - 0.002 if w_is == "above" else w + 0.002
    counts = paths(p, looks=400) if k == 2 else paths(p, runs=100, looks=400)[:, ::4]  # slow, as above
    decided = entropy_decision(counts, threshold, alpha=ALPHA, base=np.zeros(counts.shape[:2], int))
    wrong = (decided == (-1 if w_is == "above" else 1)).any(axis=1)
    assert wrong.mean() <= ALPHA


@pytest.mark.parametrize("p", [0.0, 0.02, 0.5, 0.93, 1.0])
def test_a_proportion_stays_inside_at_all_looks_together(p) -> None:
    x = np.cumsum(np.random.default_rng(1).random((2000, 400)) < p, axis=1)
    lower, upper = proportion_sequence(x, np.arange(1, 401), alpha=ALPHA)
    assert ((lower > p) | (upper < p)).any(axis=1).mean() <= ALPHA
    decided = proportion_decision(x, np.arange(1, 401), 0.9, alpha=ALPHA)
    assert (decided == (-1 if p > 0.9 else 1)).any(axis=1).mean() <= ALPHA


def test_proportion_limits_are_where_the_mixture_reaches_one_over_alpha() -> None:
    x, n = 37, 50
    for limit in proportion_sequence(x, n, alpha=0.03):
        log_ratio = betaln(x + 0.5, n - x + 0.5) - betaln(0.5, 0.5) - x * np.log(limit) - (n - x) * np.log1p(-limit)
        assert log_ratio == pytest.approx(np.log(1 / 0.03), abs=1e-6)


def test_the_mixture_is_a_martingale_under_the_true_p() -> None:
    """Exactly, for a proportion: its mean over all outcomes of n draws is 1."""
    n, p = 40, 0.3
    x = np.arange(n + 1)
    log_ratio = betaln(x + 0.5, n - x + 0.5) - betaln(0.5, 0.5) - x * np.log(p) - (n - x) * np.log1p(-p)
    assert (binom.pmf(x, n, p) * np.exp(log_ratio)).sum() == pytest.approx(1)


@pytest.mark.parametrize("k", [2, 3, 6])
@pytest.mark.parametrize("n", [5, 40, 400])
def test_the_largest_entropy_equals_a_general_solver(k, n) -> None:
    rng = np.random.default_rng(n + k)
    counts = rng.multinomial(n, rng.dirichlet(np.full(k, 0.5)))
    seen = counts[counts > 0]
    bound = (seen * np.log(seen / n)).sum() - rng.uniform(1, 5)

    def likelihood(q: np.ndarray) -> float:
        return float((counts * np.log(np.maximum(q, 1e-300))).sum() - bound)

    solved = minimize(
        lambda q: xlogy(q, q).sum(),
        (counts + 1) / (n + k),
        jac=lambda q: np.log(np.maximum(q, 1e-300)) + 1,
        bounds=[(1e-12, 1)] * k,
        constraints=[{"type": "eq", "fun": lambda q: q.sum() - 1}, {"type": "ineq", "fun": likelihood}],
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert largest_entropy(counts[None], np.array([bound]))[0] == pytest.approx(-solved.fun, abs=1e-5)


def test_dead_calm_is_certified_in_the_draws_stated() -> None:
    n = np.arange(1, 601)
    counts = np.zeros((600, 10), int)
    counts[:, 0] = n
    for base, most in ((np.zeros(600, int), 70), (None, 145)):
        assert n[entropy_decision(counts, 0.2, alpha=0.01, base=base) == -1][0] <= most
    hundreds = n[entropy_decision(counts, 0.05, alpha=0.01, base=np.zeros(600, int)) == -1][0]
    assert 200 < hundreds < 450


def test_order_of_classes_and_shape_do_not_matter() -> None:
    counts = np.random.default_rng(0).integers(0, 9, (4, 5, 6))
    base = np.random.default_rng(1).integers(-1, 6, (4, 5))
    lower, upper = entropy_sequence(counts, alpha=0.05, base=base)
    turned = entropy_sequence(counts[..., ::-1], alpha=0.05, base=np.where(base < 0, -1, 5 - base))
    assert np.array_equal(lower, turned[0])
    assert np.array_equal(upper, turned[1])
    one = entropy_sequence(counts[2, 3], alpha=0.05, base=base[2, 3])
    assert (one[0], one[1]) == pytest.approx((lower[2, 3], upper[2, 3]), abs=1e-9)
    assert entropy_sequence(np.zeros((1, 3), int), alpha=0.05)[1].tolist() == [1.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: entropy_sequence([0.5, 0.5], alpha=0.05),
        lambda: entropy_sequence([5, 5], alpha=0),
        lambda: entropy_sequence([[5, 5]], alpha=0.05, base=[2]),
        lambda: entropy_sequence([[5, 5]], alpha=0.05, base=[0, 1]),
        lambda: entropy_sequence([5, 5], alpha=0.05, side="left"),
        lambda: entropy_decision([5, 5], 1.5, alpha=0.05),
        lambda: proportion_sequence(6, 5, alpha=0.05),
        lambda: proportion_decision(1, 5, -0.1, alpha=0.05),
    ],
)
def test_what_makes_no_sense_is_refused(call) -> None:
    with pytest.raises(InputError, match="expected"):
        call()


def test_classes_that_no_draw_could_have_shown_cost_no_time() -> None:
    """64 inputs, 16 draws, 20,000 classes: 11 s before unseen classes were left out, a third of a second now."""
    counts = np.zeros((64, 20_000), dtype=np.int64)
    rng = np.random.default_rng(0)
    for row in counts:
        np.add.at(row, rng.choice(20_000, 16), 1)
    counts[0], counts[0, 7] = 0, 16
    begun = time.process_time()
    lower, upper = entropy_sequence(counts, alpha=0.05, base=counts.argmax(axis=1))
    assert time.process_time() - begun < 4
    assert (lower <= upper).all()
    plug_in = -xlogy(counts / 16, counts / 16).sum(axis=1) / np.log(20_000)
    assert (lower <= plug_in).all()
    assert (plug_in <= upper).all()
    assert upper[0] < upper[1:].min()
