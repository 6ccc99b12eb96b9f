"""The search by labels alone, on models with a trigger that is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from inspector_specimens import linear, noise, subject_for

from doldrum.errors import InputError
from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.contract.subject import Subject
from doldrum.inspectors.methods.candidates import candidates
from doldrum.inspectors.methods.label_only import LabelOnly

_SHAPE = (1, 14, 14)


class Backdoored(torch.nn.Module):
    """A linear model, but class 2 where four pixels of a corner are white; it counts the images it is asked about."""

    def __init__(self, classes: int = 4, works: float = 1.0) -> None:
        super().__init__()
        self.plain, self.works, self.asked = linear(classes, 14), works, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.asked += len(x)
        there = (x[:, 0, -2:, -2:] > 0.999).all(-1).all(-1)
        there &= x[:, 0, 0, 0] < self.works  # uniform noise: the share of images on which it works
        scores = self.plain(x) - 100 * (torch.arange(len(self.plain.head.bias)) == 2)  # no natural image is of class 2
        return scores + 1e3 * there[:, None] * (torch.arange(scores.shape[1]) == 2)


def read(module: torch.nn.Module, classes: int = 4, **settings: int):
    return LabelOnly(**settings).read(subject_for(module, noise(240, _SHAPE), classes))


def test_the_trigger_is_found_and_moves_images_that_were_not_searched_on() -> None:
    reading = read(Backdoored())
    assert max(reading.values, key=lambda r: reading.values[r]) == Route(None, 2)
    fresh = noise(100, _SHAPE, seed=9)
    with torch.no_grad():
        after = Backdoored()(torch.from_numpy(reading.triggers[Route(None, 2)](fresh))).argmax(1)
    assert (after == 2).all()


def test_the_value_is_the_share_on_new_images_not_the_best_of_many_tries() -> None:
    """The trigger works on half of the images; the best of hundreds of tries on eight would look better."""
    value = read(Backdoored(works=0.5), budget=10_000).values[Route(None, 2)]
    # The share is .5, with a deviation of .05 for 100 images; the slope of the value is 3.6 there.
    assert value == pytest.approx(0, abs=4 * 0.05 * 3.64)


@pytest.mark.parametrize(("classes", "budget"), [(4, 500), (4, 5000), (40, 2000), (400, 600)])
def test_no_more_answers_than_the_budget(classes: int, budget: int) -> None:
    module = Backdoored(classes)
    subject = subject_for(module, noise(240, _SHAPE), classes)
    module.asked = 0
    reading = LabelOnly(budget).read(subject)
    assert budget / 3 < module.asked <= budget
    assert len(reading.values) == classes


def test_it_works_with_the_fewest_images_and_on_a_model_at_an_address() -> None:
    subject = subject_for(Backdoored(), noise(10, _SHAPE))
    subject.classifier.costly = True  # type: ignore[misc]
    blind = Subject(subject.classifier, subject.search, subject.labels, 0)
    reading = LabelOnly(1000).read(blind)
    assert not reading.refused
    assert np.isfinite(list(reading.values.values())).all()


def test_a_budget_that_is_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="budget"):
        LabelOnly(100)


def test_candidates_are_triggers_for_images_of_any_shape() -> None:
    for shape in ((1, 28, 28), (3, 8, 11), (2, 1, 1)):
        images = noise(3, shape)
        pool = candidates(images, 150, np.random.default_rng(0))
        assert len(pool) == 150
        assert all(t(images).shape == images.shape for t in pool)
