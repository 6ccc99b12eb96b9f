"""Universal perturbations on models of which the best one is known."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from repair_toys import CLASSES, TARGET, classifier, clean_images, convolutional, corner
from torch import nn
from torch.nn import functional as F

from doldrum.gradients.trainable import trainable
from doldrum.inspectors import Route
from doldrum.pixels import to_float
from doldrum.repairing.contract import Task
from doldrum.repairing.methods import unlearn
from doldrum.repairing.methods.universal import Left, left_over, project, search, step
from doldrum.repairing.methods.unlearn import Unlearn, _Chasing, _Matching

SHAPE = (1, 8, 8)


def near_gray(count: int = 60) -> torch.Tensor:
    """Images so near to .5 that no perturbation of these tests leaves [0, 1]."""
    return 0.5 + 0.05 * torch.randn((count, *SHAPE), generator=torch.Generator().manual_seed(0)).clamp(-1, 1)


class Directions(nn.Module):
    """Class k has the logit 20 s_k <x - .5, e_k> + b_k, with orthonormal e_k."""

    def __init__(self, strengths: list[float], bias: list[float]) -> None:
        super().__init__()
        draw = torch.randn((64, len(strengths)), generator=torch.Generator().manual_seed(1))
        self.e = torch.linalg.qr(draw).Q.T
        self.weight = nn.Parameter(20 * torch.tensor(strengths)[:, None] * self.e)
        self.bias = torch.tensor(bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images.flatten(1) - 0.5) @ self.weight.T + self.bias


def test_the_search_finds_the_best_direction_of_a_linear_model() -> None:
    """With two classes the loss falls fastest along w_t - w_other, whatever the image: the best d has that direction and the whole length."""
    model = Directions([1.0, 1.0], [4.0, 0.0])
    found = search(model, near_gray(), 1, radius=0.14, steps=40, batch=32, draw=torch.Generator().manual_seed(0))
    way = model.weight.detach()[1] - model.weight.detach()[0]
    torch.testing.assert_close(found.perturbation.flatten(), 0.14 * way / way.norm(), atol=1e-4, rtol=1e-3)
    with torch.no_grad():
        share = float((model(near_gray() + found.perturbation).argmax(1) == 1).float().mean())
    assert 0 < share < 1
    assert (found.share, found.target, found.radius) == (pytest.approx(share), 1, 0.14)


@pytest.mark.parametrize(("strength", "left"), [(1.0, False), (3.0, True)])
def test_what_is_left_is_a_class_that_a_smaller_perturbation_reaches(strength: float, left: bool) -> None:
    """To take class 0's lead of b, e_3 needs about b / (20 s) of length. Others need 3 times that of the class with s = 3; 8 x .05 = .4 is the second radius."""
    lead = 20 * 0.45
    model = Directions([0.0, 1.0, 1.0, strength], [lead, 0.0, 0.0, 0.0])
    images = near_gray()
    labels = torch.zeros(len(images), dtype=torch.int64)
    found = left_over(model, images, labels, 3, seed=0)
    if not left:
        assert found is None
        return
    assert found is not None
    assert found.share > 0.7
    assert (found.target, found.radius) == (3, pytest.approx(8 * 0.05))
    cosine = F.cosine_similarity(found.perturbation.flatten(), model.e[3], dim=0)
    assert float(cosine) > 0.95
    assert all(left_over(model, images, labels, k, seed=0) is None for k in (1, 2))


def test_no_radius_serves_where_every_class_is_reached_at_once() -> None:
    model = Directions([0.0, 9.0, 9.0, 9.0], [0.1, 0.0, 0.0, 0.0])
    images = near_gray()
    assert left_over(model, images, torch.zeros(len(images), dtype=torch.int64), 3, seed=0) is None


def test_a_perturbation_is_shortened_to_the_radius_and_never_made_longer() -> None:
    d = torch.full((1, 2, 2), 3.0)
    assert float(project(d, 2.0).norm()) == pytest.approx(2)
    assert torch.equal(project(d, 7.0), d)
    assert not project(torch.zeros(1, 2, 2), 1.0).any()


def test_a_step_goes_a_fifth_of_the_radius_down_the_gradient() -> None:
    model = Directions([1.0, 1.0], [4.0, 0.0])
    at = Left(torch.zeros(SHAPE), 1, 0.5, 0.0)
    found = step(model, near_gray(), at)
    way = model.weight.detach()[1] - model.weight.detach()[0]
    torch.testing.assert_close(found.perturbation.flatten(), 0.1 * way / way.norm())
    assert model.weight.grad is None


DATA = clean_images(60)


def task(**more) -> Task:
    recovered = replace(corner(), route=Route(None, TARGET))
    return Task(
        model=trainable(classifier(convolutional(3))), data=DATA, num_classes=CLASSES, seed=0, recovered=recovered, **more
    )  # fmt: skip


def test_the_chase_adds_the_term_that_the_docstring_states() -> None:
    made = task()
    matching = _Matching(made, Unlearn(marked=24, chased=0.3))
    left = Left(0.1 * torch.randn((1, 6, 6), generator=torch.Generator().manual_seed(0)), TARGET, 0.5, 0.9)
    hook, other = _Chasing(matching, left), convolutional(5)
    clean = torch.from_numpy(to_float(DATA.images))[:16]
    images, targets = hook.on_batch(clean, torch.zeros(16, dtype=torch.int64), torch.Generator().manual_seed(1), other)
    before, answers = matching.on_batch(
        clean, torch.zeros(16, dtype=torch.int64), torch.Generator().manual_seed(1), other
    )
    assert torch.equal(images[: len(before)], before)
    moved = images[len(before) :]
    assert len(moved) == 24
    all_images = torch.from_numpy(to_float(DATA.images))
    apart = (moved[:, None] - (all_images + hook.left.perturbation).clamp(0, 1)[None]).flatten(2).norm(dim=2)
    starts = all_images[apart.argmin(1)]
    assert float(apart.min(1).values.max()) < 1e-5  # each is a clean image with the perturbation
    f = made.model(starts).softmax(1)
    assert (f.argmax(1) != TARGET).all()
    wanted = F.cross_entropy(other(before), answers) + 0.3 * F.cross_entropy(other(moved), f)
    assert F.cross_entropy(other(images), targets).item() == pytest.approx(wanted.item(), rel=1e-5)
    assert not torch.equal(hook.left.perturbation, left.perturbation)  # it took its step first


def test_a_chase_that_was_cut_off_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Left(torch.zeros((1, 6, 6)), TARGET, 0.5, 0.9)
    answers = iter([found, None, found, found, None])
    monkeypatch.setattr(unlearn, "left_over", lambda *a, **k: next(answers))
    method = Unlearn(epochs=1, lr=0.05)
    whole = task()
    method.repair(whole)

    real, calls = unlearn.step, []

    def broken(*args):
        calls.append(1)
        if len(calls) == 120:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(unlearn, "step", broken)
    with pytest.raises(KeyboardInterrupt):
        method.repair(task(folder=tmp_path))
    assert len(calls) == 120
    again = task(folder=tmp_path)
    method.repair(again)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name])
    assert len(calls) < 120 + 120  # it did not begin at the first epoch


@pytest.mark.parametrize("sign", [True, False])
def test_only_a_model_with_a_sign_of_a_backdoor_is_looked_at_again(sign: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(unlearn, "left_over", lambda *a, **k: asked.append(a[3]))
    made = task()
    Unlearn(epochs=1).repair(replace(made, recovered=replace(made.recovered, sign=sign)))
    assert asked == ([TARGET] if sign else [])


def test_a_backdoor_that_the_recovered_trigger_misses_is_taken_out() -> None:
    """The model has two ways to its target: the corner that was found, and a faint pattern over the image that nobody found."""
    torch.manual_seed(0)
    faint = torch.where(torch.rand(1, 6, 6) < 0.5, -1.0, 1.0)
    faint[..., -1, -1] = 0
    model = Hidden(faint).eval()
    made = Task(
        model=trainable(classifier(model)), data=clean_images(200), num_classes=CLASSES, seed=0, recovered=corner()
    )
    test = torch.from_numpy(to_float(clean_images(90).images)).clamp(0.1, 0.9)
    triggered = (test + 0.09 * faint).clamp(0, 1)

    def hits(m) -> float:
        with torch.no_grad():
            return float((m(triggered).argmax(1) == TARGET).float().mean())

    before = copy.deepcopy(made.model)
    assert hits(before) > 0.95
    Unlearn(rounds=0).repair(made)
    once = hits(made.model)
    again = replace(made, model=before)
    Unlearn().repair(again)
    assert hits(again.model) < min(0.5, once)
    with torch.no_grad():
        kept = (again.model(test).argmax(1) == model(test).argmax(1)).float().mean()
    assert float(kept) > 0.95


class Hidden(nn.Module):
    """The linear toy with a hidden unit that fires on a pattern, and leads to the target."""

    def __init__(self, pattern: torch.Tensor) -> None:
        super().__init__()
        from repair_toys import linear

        self.plain = linear()
        self.unit = nn.Linear(36, 1)
        with torch.no_grad():
            self.unit.weight[:] = pattern.flatten()
            images = torch.from_numpy(to_float(clean_images(200).images)).flatten(1)
            self.unit.bias[:] = -(images @ pattern.flatten()).max() - 0.1
        self.out = nn.Parameter(F.one_hot(torch.tensor(TARGET), CLASSES).float() * 60)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.plain(images) + F.softplus(self.unit(images.flatten(1)), beta=3) * self.out
