import numpy as np
import pytest
from scipy.stats import binomtest

from doldrum.errors import InputError
from doldrum.stats.paired import mcnemar


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
    with pytest.raises(InputError, match="two rows of booleans"):
        mcnemar(np.array([True]), np.array([True, False]))
    with pytest.raises(InputError, match="two rows of booleans"):
        mcnemar(np.array([1, 0]), np.array([1, 0]))
