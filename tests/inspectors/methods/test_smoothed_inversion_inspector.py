"""The smoothed model and the search in its ball, against quadrature for a linear model, whose best step is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from inspector_specimens import Linear, linear, noise, subject_for
from numpy.polynomial.hermite_e import hermegauss

from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.methods.smoothed_inversion import SmoothedInversion, smoothed_log_p, towards

_SLOPE = np.random.default_rng(0).standard_normal(36).astype(np.float32)
_LENGTH = float(np.linalg.norm(_SLOPE))


def two_classes(bias: float) -> Linear:
    """The score of class 1 above that of class 0 is w (x - grey) + bias."""
    edge = bias - float(_SLOPE.sum()) / 2
    return Linear(np.stack([0 * _SLOPE, _SLOPE]), np.array([0, edge], np.float32))


def expected(mean: float, spread: float) -> float:
    """log E sigmoid(z) of z ~ N(mean, spread^2), by Gauss-Hermite quadrature."""
    nodes, weights = hermegauss(60)
    return math.log(float((weights / (1 + np.exp(-(mean + spread * nodes)))).sum() / weights.sum()))


def test_the_smoothed_model_is_an_average_of_probabilities() -> None:
    grey = torch.full((2, 1, 6, 6), 0.5)
    got = smoothed_log_p(two_classes(-2), grey, 1, sigma=0.3, draws=4000, chance=torch.Generator().manual_seed(0))
    assert got.detach().numpy() == pytest.approx(expected(-2, 0.3 * _LENGTH), abs=0.06)


def test_the_search_finds_the_best_perturbation_of_its_length() -> None:
    grey = torch.full((3, 1, 6, 6), 0.5)
    d, value = towards(two_classes(-6), grey, 1, sigma=0.1, radius=0.8, seed=0, draws=200)
    best = 0.8 * _SLOPE / _LENGTH
    assert d.flatten(1).numpy() == pytest.approx(np.tile(best, (3, 1)), abs=0.02)
    assert value.numpy() == pytest.approx(expected(-6 + 0.8 * _LENGTH, 0.1 * _LENGTH), abs=0.05)


def test_perturbed_images_stay_in_the_box_and_the_ball() -> None:
    images = torch.from_numpy(noise(5))
    d, _ = towards(linear(), images, 2, sigma=0.2, radius=3.0, seed=0)
    assert (images + d).min() >= 0
    assert (images + d).max() <= 1
    assert d.flatten(1).norm(dim=1).max() <= 3.0 + 1e-4


def test_a_short_cut_reads_higher_and_its_trigger_moves_other_images() -> None:
    chance = np.random.default_rng(5)
    weight = chance.standard_normal((4, 36)).astype(np.float32) / 2
    weight[3] *= 4  # far less is needed to reach class 3
    module = Linear(weight, -weight.sum(axis=1) / 2)
    reading = SmoothedInversion().read(subject_for(module, noise(80)))
    assert max(reading.values, key=lambda r: reading.values[r]) == Route(None, 3)
    fresh = noise(200, seed=9)
    with torch.no_grad():
        before, after = (
            module(torch.from_numpy(x)).argmax(1).numpy() for x in (fresh, reading.triggers[Route(None, 3)](fresh))
        )
    assert (after[before != 3] == 3).mean() > 0.5
