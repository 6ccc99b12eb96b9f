"""The random order in which the watch sees a tally's inputs."""

import numpy as np
import pytest
from scipy.stats import chisquare

from doldrum.detectors import Calibration
from doldrum.detectors.deploy.tally import Tally, drawn_of, summary_of


@pytest.mark.parametrize("count", [3, 6, 10])
def test_draws_are_different_and_each_number_is_as_likely_at_each_place(count):
    generator = np.random.default_rng(0)
    drawn = np.stack([drawn_of(10, count, generator) for _ in range(2000)])
    assert all(len(set(row)) == count for row in drawn.tolist())
    assert drawn.min() == 0
    assert drawn.max() == 9
    for place in (0, count - 1):
        assert chisquare(np.bincount(drawn[:, place], minlength=10)).pvalue > 1e-3


def test_the_watch_of_many_inputs_sees_a_part_of_them_in_a_random_order():
    calibration = Calibration(np.arange(999.0), np.arange(999) / 999, fpr=0.01, seed=0)
    p_values = np.arange(1, 1001) / 1000
    clean = Tally({(0, float(p)): 10**6 for p in p_values})
    told = summary_of(calibration, clean, fdr=0.1)
    assert told["watch"]["kind"] == "as calibrated"
    assert told["flagged"] == 10 * 10**6
    moved = clean + Tally({(0, float(p)): 10**6 for p in p_values[700:]})
    assert summary_of(calibration, moved, fdr=0.1)["watch"]["kind"] == "drift"
