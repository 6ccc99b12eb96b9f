import numpy as np
import pytest
from scipy.stats import binomtest

from doldrum.errors import InputError
from doldrum.stats.paired import mcnemar, paired_difference


@pytest.mark.parametrize("seed", range(8))
def test_mcnemar_is_a_binomial_test_of_the_discordant_pairs(seed):
    draw = np.random.default_rng(seed)
    first, second = draw.random(60) < 0.8, draw.random(60) < 0.6
    alone, other = int((first & ~second).sum()), int((second & ~first).sum())
    expected = binomtest(alone, alone + other, 0.5, alternative="greater").pvalue
    assert mcnemar(first, second) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_holds_its_level():
    """Two classifiers that are right equally often, in 4,000 pairs of runs: p < .05 at most 5% of the time."""
    draw = np.random.default_rng(1)
    low = [mcnemar(*(draw.random((2, 40)) < 0.7)) < 0.05 for _ in range(4000)]
    assert 0.01 < np.mean(low) < 0.055


def test_nothing_apart_is_1():
    assert mcnemar(np.array([True, False]), np.array([True, False])) == 1
    assert mcnemar(np.array([False, False]), np.array([True, True])) == 1


def test_other_shapes_are_refused():
    with pytest.raises(InputError, match="two lists of booleans"):
        mcnemar(np.array([True]), np.array([True, False]))
    with pytest.raises(InputError, match="two lists of booleans"):
        mcnemar(np.array([1, 0]), np.array([1, 0]))


def test_the_difference_is_antisymmetric_and_holds_its_value():
    draw = np.random.default_rng(3)
    first, second = draw.random(80) < 0.9, draw.random(80) < 0.8
    found, back = paired_difference(first, second), paired_difference(second, first)
    assert found.value == pytest.approx(second.mean() - first.mean())
    assert (found.lower, found.upper) == pytest.approx((-back.upper, -back.lower))
    assert found.lower < found.value < found.upper
    wide = paired_difference(first, second, level=0.99)
    assert wide.lower < found.lower < found.upper < wide.upper


def test_newcombes_limits_of_unpaired_wilson_where_rows_are_unrelated():
    """With correlation 0 they are those of two Wilson intervals, as statsmodels and Newcombe's second paper have them."""
    first = np.repeat([True, True, False, False], 25)
    second = np.tile([True, False], 50)
    z = 1.959963984540054
    half = z * np.sqrt(0.25 / 100 + z * z / 40000) / (1 + z * z / 100)  # Wilson's of 50 of 100, about 1/2
    found = paired_difference(first, second)
    assert (found.value, found.lower, found.upper) == pytest.approx((0, -half * 2**0.5, half * 2**0.5))


@pytest.mark.parametrize(("lost", "won", "n"), [(0.04, 0.01, 250), (0.1, 0.05, 60), (0.01, 0.01, 1000)])
def test_the_difference_is_covered(lost, won, n):
    """Images that one model alone has right, of 90% that both have: 2,000 simulated repairs."""
    draw = np.random.default_rng(5)
    inside = 0
    for _ in range(2000):
        u = draw.random(n)
        first, second = u < 0.85 + lost, (u < 0.85) | (u > 1 - won)
        found = paired_difference(first, second)
        inside += found.lower <= won - lost <= found.upper
    assert 0.93 < inside / 2000 <= 1
    assert inside / 2000 < 0.99


def test_no_images_are_refused():
    with pytest.raises(InputError, match="at least one image"):
        paired_difference(np.zeros(0, dtype=bool), np.zeros(0, dtype=bool))
