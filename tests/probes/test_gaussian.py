from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import doldrum as dd
from doldrum.errors import InputError
from doldrum.seeds import rng


def drawn(probe: dd.probes.Gaussian, image: np.ndarray, condition: int, start: int, stop: int) -> np.ndarray:
    out = np.empty((stop - start, *image.shape), dtype=np.float32)
    probe.bind(image.shape).fill(image, condition, start, stop, out)
    return out


def test_draw_j_depends_on_seed_and_j_alone() -> None:
    image = np.full((1, 4, 4), 0.5, dtype=np.float32)
    long = drawn(dd.probes.Gaussian([0.1, 0.3], draws=50, seed=7), image, 1, 0, 50)
    short = drawn(dd.probes.Gaussian([0.3], draws=9, seed=7), image, 0, 5, 9)
    assert np.array_equal(long[5:9], short)
    eps = rng(7, "gaussian", 5).standard_normal((1, 4, 4), dtype=np.float32)
    assert np.allclose(short[0], image + np.float32(0.3) * eps)


def test_noise_is_standard_normal_times_sigma() -> None:
    noise = drawn(dd.probes.Gaussian([0.2], draws=400, seed=0), np.zeros((1, 10, 10), np.float32), 0, 0, 400)
    assert stats.kstest(noise.ravel() / 0.2, "norm").pvalue > 0.001
    pairs = np.corrcoef(noise.reshape(400, -1)[:20])
    assert np.abs(pairs - np.eye(20)).max() < 0.5


def test_clip_cuts_to_the_bounds_and_the_default_does_not() -> None:
    image = np.full((1, 4, 4), 0.9, dtype=np.float32)
    free = drawn(dd.probes.Gaussian([0.5], draws=20), image, 0, 0, 20)
    cut = drawn(dd.probes.Gaussian([0.5], draws=20, clip=True), image, 0, 0, 20)
    assert free.max() > 1
    assert np.array_equal(cut, free.clip(0, 1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"strengths": []},
        {"strengths": [-0.1]},
        {"strengths": [np.nan]},
        {"strengths": [0.1, 0.1]},
        {"strengths": [0.1], "draws": 0},
        {"strengths": [0.1], "draws": 1.5},
        {"strengths": [0.1], "seed": 0.5},
    ],
)
def test_wrong_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match="expected"):
        dd.probes.Gaussian(**wrong)


@pytest.mark.parametrize("draws", [10**12, 10**18])
def test_noise_that_cannot_fit_in_memory_is_refused(draws) -> None:
    with pytest.raises(InputError, match="ask for fewer draws"):
        dd.probes.Gaussian([0.1], draws=draws).bind((3, 224, 224))


def test_a_probe_comes_back_from_its_dict() -> None:
    probe = dd.probes.Gaussian([0.1, 0.2], draws=7, seed=3, clip=True)
    assert dd.probes.probe_from_dict(probe.to_dict()).to_dict() == probe.to_dict()


@pytest.mark.parametrize("strengths", ["abc", [[0.1, 0.2], [0.1]], [], [np.nan], [-1], [1e300], ["0.1x"]])
def test_strengths_that_noise_cannot_have_are_refused(strengths) -> None:
    with pytest.raises(dd.DoldrumError, match="expected"):
        dd.probes.Gaussian(strengths)


@pytest.mark.parametrize("draws", [np.nan, np.inf, None, "3", 2.5, 0, True])
def test_draws_that_are_no_count_are_refused(draws) -> None:
    with pytest.raises(dd.DoldrumError, match="whole number of at least 1 as draws="):
        dd.probes.Gaussian([0.1], draws=draws)
