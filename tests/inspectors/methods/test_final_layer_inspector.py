"""The length of each class's weights, against NumPy's; and which layer is the last."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from inspector_specimens import linear, noise, subject_for

from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.methods.final_layer import FinalLayer, last_linear


@pytest.fixture(autouse=True)
def _same_weights() -> Iterator[None]:
    """Weights at random: some would give one class to all images, and be refused for that."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def test_values_are_lengths_in_decibels() -> None:
    module = linear()
    weight = module.head.weight.detach().numpy().astype(float)
    rows = weight - weight.mean(axis=0)
    values = FinalLayer().read(subject_for(module, noise(24))).values
    assert [values[Route(None, k)] for k in range(4)] == pytest.approx((10 * np.log10((rows**2).sum(axis=1))).tolist())


def test_what_moves_all_scores_alike_changes_nothing() -> None:
    module = linear()
    before = FinalLayer().read(subject_for(module, noise(24))).values
    with torch.no_grad():
        module.head.weight += torch.linspace(0, 3, 36)
    after = FinalLayer().read(subject_for(module, noise(24))).values
    assert list(after.values()) == pytest.approx(list(before.values()), abs=1e-4)


@pytest.mark.parametrize("last", [torch.nn.Identity(), torch.nn.Softmax(-1), torch.nn.LogSoftmax(-1)])
def test_the_last_layer_is_found_behind_others_and_before_a_softmax(last: torch.nn.Module) -> None:
    head = torch.nn.Linear(5, 4)
    # Used first, made last: the order of use decides.
    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 5), torch.nn.ReLU(), head, last)
    assert last_linear(body, torch.rand(3, 1, 6, 6)) is head
    assert not head._forward_hooks


def test_a_model_without_one_is_refused() -> None:
    body = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 6), torch.nn.Flatten())
    reading = FinalLayer().read(subject_for(body, noise(64)))
    assert "last layer that is linear" in reading.refused
    assert not reading.values
    hidden = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 4), torch.nn.Tanh())
    assert "last layer that is linear" in FinalLayer().read(subject_for(hidden, noise(64))).refused
