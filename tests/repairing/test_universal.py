"""A universal perturbation, on a model of which the best one is known, and training against it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from repair_toys import CLASSES, TARGET, classifier, clean_images, convolutional, corner, linear
from torch import nn
from torch.nn import functional as F

from doldrum.gradients.trainable import trainable
from doldrum.inspectors import Route
from doldrum.pixels import to_float
from doldrum.repairing.contract import Task
from doldrum.repairing.methods.unlearn import Unlearn, _Matching
from doldrum.repairing.universal import Universal

GRAY = 0.5 + 0.02 * torch.randn((60, 1, 6, 6), generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
"""Images so near to .5 that no perturbation of these tests leaves [0, 1]."""


def two_classes() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 2)).eval()


def test_it_ends_at_the_best_direction_of_a_linear_model() -> None:
    """With two classes the loss falls fastest along w_1 - w_0, whatever the image: the best d has that direction and the whole length."""
    model = two_classes()
    found = Universal((1, 6, 6), target=1, radius=0.3, seed=0)
    start = found.d
    assert float(start.norm()) == pytest.approx(0.09)
    way = (model[1].weight[1] - model[1].weight[0]).detach()
    found.step(model, GRAY)
    torch.testing.assert_close(found.d.flatten(), start.flatten() + 0.06 * way / way.norm())
    for _ in range(60):
        found.step(model, GRAY)
        assert float(found.d.norm()) <= 0.3 * (1 + 1e-6)
    torch.testing.assert_close(found.d.flatten(), 0.3 * way / way.norm(), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(found.added(GRAY), GRAY + found.d)
    assert float(found.added(torch.ones(1, 1, 6, 6)).max()) == 1
    assert model[1].weight.grad is None


DATA = clean_images(60)


def task(net: nn.Module | None = None, **more) -> Task:
    return Task(
        model=trainable(classifier(convolutional(3) if net is None else net)), data=DATA, num_classes=CLASSES, seed=0,
        **{"recovered": corner(), **more},
    )  # fmt: skip


def test_the_loss_has_the_third_term_that_the_docstring_states() -> None:
    made = task()
    hook, other = _Matching(made, Unlearn(marked=1.5, weight=0.4, chased=0.3, mixed=1)), convolutional(5)
    first = hook.universal.d
    assert hook.universal.radius == pytest.approx(0.07 * 6)
    clean = torch.from_numpy(to_float(DATA.images))[:16]
    images, targets = hook.on_batch(clean, torch.zeros(16, dtype=torch.int64), torch.Generator().manual_seed(1), other)
    known, marked, moved = images.split([32, 24, 24])
    assert not torch.equal(hook.universal.d, first)  # its step comes first

    every = torch.from_numpy(to_float(DATA.images))
    apart = (moved[:, None] - hook.universal.added(every)[None]).flatten(2).norm(dim=2)
    assert float(apart.min(1).values.max()) < 1e-5  # each is a clean image with d
    f = made.model(every[apart.argmin(1)]).softmax(1)
    assert (f.argmax(1) != TARGET).all()
    wanted = (
        F.cross_entropy(other(known), made.model(known).softmax(1))
        + 0.4 * F.cross_entropy(other(marked), targets[32:56] / targets[32:56].sum(1, keepdim=True))
        + 0.3 * F.cross_entropy(other(moved), f)
    )
    assert F.cross_entropy(other(images), targets).item() == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("cleared", "route", "chased"),
    [(False, Route(None, TARGET), True), (True, Route(None, TARGET), False), (False, Route(0, None), False)],
)
def test_it_is_used_where_nothing_cleared_the_model_and_there_is_one_class(
    cleared: bool, route: Route, chased: bool
) -> None:
    made = task(linear(), recovered=replace(corner(), cleared=cleared, route=route))
    assert (_Matching(made, Unlearn()).universal is not None) == chased


def test_a_repair_that_was_cut_off_goes_on_with_the_same_perturbation(tmp_path: Path, monkeypatch) -> None:
    method = Unlearn(epochs=1)
    whole = task()
    method.repair(whole)
    real, calls = Universal.step, []

    def broken(*args) -> None:
        calls.append(1)
        if len(calls) == 120:
            raise KeyboardInterrupt
        real(*args)

    monkeypatch.setattr(Universal, "step", broken)
    with pytest.raises(KeyboardInterrupt):
        method.repair(task(folder=tmp_path))
    again = task(folder=tmp_path)
    method.repair(again)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name])
    assert len(calls) == 120 + (200 - 119)  # 200 steps, one of them tried twice


class TwoWays(nn.Module):
    """The linear toy, and a unit that a faint pattern leads to the target: a way that the recovered trigger does not take."""

    def __init__(self, pattern: torch.Tensor) -> None:
        super().__init__()
        self.plain, self.unit = linear(), nn.Linear(36, 1)
        images = torch.from_numpy(to_float(DATA.images)).flatten(1)
        with torch.no_grad():
            self.unit.weight[:] = pattern.flatten()
            self.unit.bias[:] = -(images @ pattern.flatten()).max()
        self.out = nn.Parameter(F.one_hot(torch.tensor(TARGET), CLASSES).float() * 8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.plain(images) + F.softplus(self.unit(images.flatten(1)), beta=3) * self.out


def test_a_backdoor_that_the_recovered_trigger_misses_is_taken_out() -> None:
    torch.manual_seed(0)
    pattern = torch.where(torch.rand(1, 6, 6) < 0.5, -1.0, 1.0)
    pattern[..., -1, -1] = 0  # the recovered trigger's place
    test = torch.from_numpy(to_float(clean_images(90).images)).clamp(0.1, 0.9)

    def after(method: Unlearn | None) -> tuple[float, float]:
        """The share of images with the pattern that get the target, and that of clean images with the label of before."""
        made = task(TwoWays(pattern).eval())
        labels = made.model(test).argmax(1)
        if method is not None:
            method.repair(made)
        hits = made.model(test + 0.09 * pattern).argmax(1) == TARGET
        return float(hits.float().mean()), float((made.model(test).argmax(1) == labels).float().mean())

    assert after(None)[0] > 0.9
    assert after(Unlearn(chased=0.0))[0] > 0.8
    chased, kept = after(Unlearn())
    assert chased < 0.5  # a third are of the target's class
    assert kept > 0.95
