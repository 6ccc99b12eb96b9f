"""Effects over models: against SciPy, and by simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.stats.effects import holm, mean_effect, superiority


@pytest.mark.parametrize("n", [2, 5, 30])
def test_t_is_scipys(n):
    x = rng(n, "t").normal(0.3, 1, n)
    found, theirs = mean_effect(x), stats.ttest_1samp(x, 0)
    limits = theirs.confidence_interval(0.95)
    assert (found.value, found.lower, found.upper, found.p) == pytest.approx(
        (x.mean(), limits.low, limits.high, theirs.pvalue), rel=1e-10
    )


@pytest.mark.parametrize("n", [3, 8, 12])
def test_sign_flip_p_is_scipys_exact_permutation_test(n):
    x = rng(n, "flip").normal(0.4, 1, n)
    theirs = stats.permutation_test((x,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert mean_effect(x, method="sign-flip").p == pytest.approx(theirs.pvalue, abs=1e-12)


def test_sign_flip_limits_are_where_the_test_turns():
    """The interval holds just the means that the test at 5% does not reject, found here by trying means."""
    x = rng(1, "invert").normal(0.5, 1, 9)
    found = mean_effect(x, method="sign-flip")
    signs = np.array(list(itertools.product([-1, 1], repeat=9)))

    def p(mean):
        means = signs @ (x - mean) / 9
        return (np.abs(means) >= abs((x - mean).mean()) - 1e-12).mean()

    for inside, outside in ((found.lower + 1e-6, found.lower - 1e-6), (found.upper - 1e-6, found.upper + 1e-6)):
        assert p(inside) > 0.05
        assert p(outside) <= 0.05


def test_too_few_models_for_a_sign_flip_interval():
    found = mean_effect([1.0, 1.1, 0.9, 1.2, 1.0], method="sign-flip")
    assert (found.lower, found.upper) == (-math.inf, math.inf)
    assert found.p == 2 / 32


@pytest.mark.parametrize("method", ["t", "sign-flip"])
@pytest.mark.parametrize("n", [6, 10, 20])
def test_type_one_error_and_coverage(method, n):
    """2,000 studies without an effect: 5% reject and 95% of intervals hold the truth.

    Values over models are normal for t, and uniform for the sign flips, which promise nothing about their shape.
    """
    draws, rejected, covered = rng(n, "null", method), 0, 0
    runs = 2000 if n < 20 else 100
    for _ in range(runs):
        x = draws.normal(0, 1, n) if method == "t" else draws.uniform(-1, 1, n)
        found = mean_effect(x, method=method)
        rejected += found.p <= 0.05
        covered += found.lower <= 0 <= found.upper
    tolerance = 4 * math.sqrt(0.05 * 0.95 / runs)
    assert rejected / runs <= 0.05 + tolerance
    assert covered / runs >= 0.95 - tolerance
    assert covered / runs <= 0.97 + tolerance  # 6 models: exactly 62 of 64


def test_inputs_of_few_models_are_not_many_models():
    """Why the unit is the model: 200 inputs of each of 6 models that share a model effect, no true mean effect.

    Testing over the inputs rejects most of the time; testing over the models 5% of the time.
    """
    draws, by_input, by_model = rng(0, "nested"), 0, 0
    for _ in range(400):
        values = draws.normal(0, 1, (6, 1)) + draws.normal(0, 1, (6, 200))
        by_input += mean_effect(values.ravel()).p <= 0.05
        by_model += mean_effect(values.mean(axis=1)).p <= 0.05
    assert by_input / 400 > 0.5
    assert by_model / 400 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 400)


def test_holm_by_hand_and_by_simulation():
    assert holm([0.011, 0.02, 0.9, 0.04]).tolist() == pytest.approx([0.044, 0.06, 0.9, 0.08])
    assert holm([]).tolist() == []
    draws = rng(0, "holm")
    z = draws.normal(size=(20000, 6)) + draws.normal(size=(20000, 1))  # dependent tests
    p = 2 * stats.norm.sf(np.abs(z) / math.sqrt(2))
    errors = np.mean([(holm(row) <= 0.05).any() for row in p[:5000]])
    assert errors <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 5000)


def test_superiority_is_scipys_mann_whitney_on_pairs():
    a, b = rng(0, "sup").integers(0, 4, (2, 50)) / 4
    u = np.mean([stats.mannwhitneyu([y], [x]).statistic for x, y in zip(a, b, strict=True)])
    assert superiority(a, b) == pytest.approx(u)
    assert math.isnan(superiority([], []))


def test_what_is_refused_and_what_is_odd():
    with pytest.raises(InputError, match="finite"):
        mean_effect([0.1, float("nan")])
    with pytest.raises(InputError, match="method"):
        mean_effect([0.1, 0.2], method="z")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="p-values"):
        holm([1.2])
    with pytest.raises(InputError, match="pair them"):
        superiority([1.0], [1.0, 2.0])
    assert math.isnan(mean_effect([]).value)
    assert mean_effect([0.3]).p == 1.0
    assert mean_effect([0.0, 0.0, 0.0]).p == 1.0
    assert mean_effect([0.0] * 8, method="sign-flip").p == 1.0
