"""To which class images collapse, on models built to collapse to one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from inspector_specimens import linear, noise, subject_for

from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.methods.collapse import CONDITIONS, Collapse


class Rough(torch.nn.Module):
    """A linear model, but class 2 for what is rough: a large difference of neighbours."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.plain, self.limit = linear(), limit

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rough = x.diff(dim=-1).square().mean((1, 2, 3)) > self.limit
        return self.plain(x) + 1e3 * rough[:, None] * torch.tensor([0.0, 0, 1, 0])


def test_the_class_of_what_is_rough_reads_highest() -> None:
    images = noise(64)
    plain, rough = (Collapse().read(subject_for(m, images)).values for m in (linear(), Rough(0.5)))
    rises = [rough[Route(None, k)] - plain[Route(None, k)] for k in range(4)]
    assert int(np.argmax(rises)) == 2
    assert rises[2] > 0.5
    assert max(rises[k] for k in (0, 1, 3)) < 0


def test_conditions_have_the_strength_they_say() -> None:
    images = np.full((50, 1, 28, 28), 0.5, np.float32)
    spread = [np.concatenate(list(c(images, np.random.default_rng(0)))).std() for c in CONDITIONS]
    uniform = 0.8 / 12**0.5
    assert spread == pytest.approx([0.3, 0.8, 2.0, 0.6, 0.6, uniform], rel=0.03)


def test_coarse_noise_is_the_same_over_a_square() -> None:
    images = np.zeros((2, 1, 28, 28), np.float32)
    (field, *_) = CONDITIONS[4](images, np.random.default_rng(0))
    squares = field.reshape(2, 1, 7, 4, 7, 4)
    assert np.ptp(squares, axis=(3, 5)).max() == 0
    assert len(np.unique(field)) == 2 * 49
