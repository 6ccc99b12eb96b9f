"""Muon: orthogonal steps, fixed norms."""

from __future__ import annotations

import pytest
import torch

from doldrum.training.muon import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(8, 5, 3, 3), (40, 2, 3, 3)])
def test_singular_values_come_near_one_and_directions_stay(shape):
    torch.manual_seed(0)
    gradient = torch.randn(*shape)
    u, s, v = torch.linalg.svd(gradient.flatten(1), full_matrices=False)
    step = orthogonalise(gradient, steps=5).flatten(1)
    values = torch.diagonal(u.T @ step @ v.T)
    assert values.min() > 0.6
    assert values.max() < 1.3
    torch.testing.assert_close(u @ torch.diag(values) @ v, step, atol=1e-4, rtol=1e-3)
    assert s.max() / s.min() > 1.5  # there was something to even out


def test_weights_keep_the_norm_of_their_outputs():
    weight = torch.nn.Parameter(torch.randn(16, 4, 3, 3))
    optimizer = Muon([weight], lr=1e-4)
    weight.grad = torch.randn_like(weight)
    optimizer.step()
    assert weight.detach().norm().item() == pytest.approx(4.0, rel=1e-3)
