"""The core step of each method, against a plain computation of it."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from repair_toys import TARGET, classifier, clean_images, convolutional, corner, linear
from torch import nn
from torch.nn import functional as F

from doldrum.errors import ClassifierError
from doldrum.gradients.trainable import trainable
from doldrum.inspectors import Route
from doldrum.pixels import to_float
from doldrum.repairing.contract import Task
from doldrum.repairing.methods.anp import Anp, Masked
from doldrum.repairing.methods.fine_prune import FinePrune, activity
from doldrum.repairing.methods.ft_sam import FtSam, sharpest
from doldrum.repairing.methods.unlearn import Unlearn, _Matching, mixtures
from doldrum.repairing.recipe import for_task

DATA = clean_images(60)


def task(net: nn.Module, **more) -> Task:
    return Task(model=trainable(classifier(net)), data=DATA, num_classes=3, seed=0, **more)


def test_ft_sam_goes_down_the_gradient_at_the_worst_weights_nearby() -> None:
    """One step on all images, momentum and decay aside: w - lr grad L(w + e), e = rho T^2 g / ||T g||, T = diag|w|."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 3)).eval()
    got = copy.deepcopy(net)
    made = task(got)
    x, y = torch.from_numpy(to_float(DATA.images)), torch.from_numpy(DATA.labels)
    from doldrum.repairing.methods import ft_sam
    from doldrum.repairing.recipe import TUNING

    recipe = replace(
        TUNING, epochs=1, batch_size=60, lr=0.1, momentum=0.0, weight_decay=0.0, schedule="constant", warmup=0.0
    )
    made.tune(recipe, stage="one", hook=ft_sam._Sharp(1.5))
    w = [p.detach().clone().requires_grad_() for p in net.parameters()]
    loss = lambda a, b: F.cross_entropy(x.flatten(1) @ a.T + b, y)  # noqa: E731
    g = torch.autograd.grad(loss(*w), w)
    norm = float(torch.cat([(p.abs() * q).detach().flatten() for p, q in zip(w, g, strict=True)]).norm())
    worst = [(p + 1.5 * p**2 * q / norm).detach().requires_grad_() for p, q in zip(w, g, strict=True)]
    step = torch.autograd.grad(loss(*worst), worst)
    for after, before, s in zip(made.model.parameters(), w, step, strict=True):
        torch.testing.assert_close(after.detach(), before.detach() - 0.1 * s)


def test_no_change_within_rho_raises_the_loss_more_to_first_order() -> None:
    draw = torch.Generator().manual_seed(0)
    w, g = torch.randn(20, generator=draw), torch.randn(20, generator=draw)
    (best,) = sharpest([w], (g,), 0.7)
    assert float((best / w).norm()) == pytest.approx(0.7, rel=1e-5)
    for _ in range(200):
        other = torch.randn(20, generator=draw)
        other = 0.7 * w.abs() * other / other.norm()
        assert float(other @ g) <= float(best @ g) + 1e-5


def test_an_anp_mask_is_a_factor_of_the_channel_and_pruning_takes_it_out() -> None:
    net = convolutional()
    masked = Masked(trainable(classifier(net)))
    assert [len(m) for m in masked.masks] == [4]  # the batch normalisation's
    x = torch.from_numpy(to_float(DATA.images))
    with torch.no_grad():
        torch.testing.assert_close(masked(x), net(x))
        masked.masks[0][:] = torch.tensor([1.0, 0.1, 0.5, 1.0])
        by_hand = copy.deepcopy(net)
        by_hand[1].weight *= masked.masks[0]
        torch.testing.assert_close(masked(x), by_hand(x))
        masked.change = [(torch.full((4,), 0.2), torch.full((4,), -0.3))]
        by_hand[1].weight.data = net[1].weight * (masked.masks[0] + 0.2)
        by_hand[1].bias.data = net[1].bias * 0.7
        torch.testing.assert_close(masked(x), by_hand(x))
    masked.prune(0.2)
    assert (masked.weights[0] == 0).tolist() == [False, True, False, False]


def test_an_anp_step_is_the_gradient_at_the_worst_change_mixed_with_that_without() -> None:
    from doldrum.repairing.methods.anp import _Adversary

    net = convolutional()
    net[1].bias.data = torch.tensor([0.1, -0.2, 0.3, 0.4])
    masked, draw = Masked(trainable(classifier(net))), torch.Generator().manual_seed(3)
    x, y = torch.from_numpy(to_float(DATA.images)), torch.from_numpy(DATA.labels)
    hook = _Adversary(0.4, 0.2)
    hook.on_batch(x, y, draw, masked)
    F.cross_entropy(masked(x), y).backward()
    hook.on_gradients(x, y, masked)

    def loss(mask: torch.Tensor, d: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        z = F.batch_norm(
            net[0](x),
            net[1].running_mean,
            net[1].running_var,
            net[1].weight.detach() * (mask + d),
            net[1].bias.detach() * (1 + b),
        )
        return F.cross_entropy(net[2:](z), y)

    draw = torch.Generator().manual_seed(3)
    d, b = (((2 * torch.rand(4, generator=draw) - 1) * 0.4).requires_grad_() for _ in range(2))
    mask = torch.ones(4, requires_grad=True)
    gd, gb = torch.autograd.grad(loss(mask, d, b), (d, b))
    worst = [(p.detach() + 0.4 * q.sign()).clamp(-0.4, 0.4) for p, q in ((d, gd), (b, gb))]
    (robust,) = torch.autograd.grad(loss(mask, *worst), mask)
    (plain,) = torch.autograd.grad(loss(mask, torch.zeros(4), torch.zeros(4)), mask)
    torch.testing.assert_close(masked.masks[0].grad, 0.8 * robust + 0.2 * plain)


def test_fine_pruning_takes_idle_channels_and_keeps_them_out() -> None:
    net = convolutional()
    net[3].weight.data[2], net[3].bias.data[2] = 0.5 * net[3].weight.data[2], -5.0  # never active
    made = task(net)
    layer = made.model.last_channels()
    assert layer == ("model.3.weight", "model.3.bias")
    found = activity(made.model, layer, DATA.images)
    with torch.no_grad():
        want = net[:5](torch.from_numpy(to_float(DATA.images))).mean(dim=(0, 2, 3))
    np.testing.assert_allclose(found.numpy(), want.double().numpy(), rtol=1e-5)
    assert found[2] == 0
    FinePrune(epochs=1).repair(made)
    weights = dict(made.model.named_parameters())
    assert not weights["model.3.weight"][2].any()
    assert weights["model.3.bias"][2] == 0
    assert weights["model.6.weight"].grad is not None


def test_a_model_without_convolutions_cannot_be_fine_pruned() -> None:
    with pytest.raises(ClassifierError, match="convolutions"):
        FinePrune().repair(task(nn.Sequential(nn.Flatten(), nn.Linear(36, 3)).eval()))
    with pytest.raises(ClassifierError, match="channels to prune"):
        Anp().repair(task(nn.Sequential(nn.Flatten(), nn.Linear(36, 3)).eval()))


@pytest.mark.parametrize(("cleared", "weight"), [(False, 0.3), (True, 0.1)])
def test_unlearning_has_the_loss_that_it_states(cleared: bool, weight: float) -> None:
    """The loop's one mean over the batch = mean over clean and mixed images + weight * mean over images with the trigger."""
    torch.manual_seed(0)
    made = task(linear(), recovered=replace(corner(), cleared=cleared))
    hook = _Matching(made, Unlearn(weight=0.3, cautious=0.1, mixed=2, marked=1.5, chased=0.0))
    other = convolutional().eval()
    clean = torch.from_numpy(to_float(DATA.images))[:16]
    images, targets = hook.on_batch(clean, torch.zeros(16, dtype=torch.int64), torch.Generator().manual_seed(1), other)
    assert len(images) == len(targets) == 3 * 16 + 24 * (2 - cleared)  # and those with a universal perturbation
    found = F.cross_entropy(other(images), targets)

    def apart(x: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        """-sum_k f_k log g_k, image by image."""
        f, g = answers.softmax(1), other(x).softmax(1)
        return torch.stack([-(a * b.log()).sum() for a, b in zip(f, g, strict=True)])

    known, marked = images[:48], images[48:72]
    assert torch.equal(known[:16], clean)
    assert (marked[:, 0, -1, -1] == 1).all()
    by_rest = {tuple(np.round(x[0].ravel()[:-1], 5)): x for x in to_float(DATA.images)}
    without = torch.from_numpy(np.stack([by_rest[tuple(np.round(x[0].ravel()[:-1], 5))] for x in marked.numpy()]))
    assert (made.model(without).argmax(1) != TARGET).all()  # those that the trigger leads away
    wanted = apart(known, made.model(known)).mean() + weight * apart(marked, made.model(without)).mean()
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_mixtures_lie_between_two_images() -> None:
    images = torch.stack([torch.full((1, 5, 7), float(v)) for v in range(9)]) / 8
    for seed in range(20):
        made = mixtures(images, torch.Generator().manual_seed(seed))
        assert made.shape == images.shape
        assert (made.amax((1, 2, 3)) - made.amin((1, 2, 3)) < 1e-6).all()  # of flat images
        assert made.min() >= 0
        assert made.max() <= 1
    dots = torch.zeros(4, 1, 9, 9)
    dots[:, 0, 4, 4] = 1
    places = {
        tuple((mixtures(dots, torch.Generator().manual_seed(s))[0, 0] > 0.5).nonzero()[0].tolist()) for s in range(200)
    }
    assert places == {(row, column) for row in range(2, 7) for column in range(2, 7)}


def test_unlearning_leaves_the_statistics_of_normalisation_layers_as_they_were() -> None:
    made = task(
        convolutional(), recovered=replace(corner(), route=Route(TARGET, None))
    )  # to this net all are of that class
    before = {name: tensor.clone() for name, tensor in made.model.state_dict().items()}
    Unlearn(epochs=1).repair(made)
    after = made.model.state_dict()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {name for name in before if "running" in name or "tracked" in name}
    assert len(same) == 3


def wide(layers: int) -> nn.Sequential:
    """A net of 200 channels: a 3 x 3 layer between them at 36 places takes 2 x 12.96 million FLOPs an image."""
    between = (nn.Conv2d(200, 200, 3, padding=1) for _ in range(layers))
    return nn.Sequential(nn.Conv2d(1, 200, 3, padding=1), *between, nn.Flatten(), nn.Linear(200 * 36, 3)).eval()


def test_a_large_model_makes_fewer_steps() -> None:
    """By hand: 60 images are one step an epoch, of 64 or of 32."""
    steps = [(recipe.epochs, recipe.threads) for recipe in (for_task(task(wide(n)), epochs=150) for n in (0, 5))]
    assert steps == [(200, 1), (60, 2)]


@pytest.mark.parametrize(("layers", "most"), [(0, 20.0), (5, 1.0)])
def test_huge_gradients_are_clipped_more_in_a_large_model(layers: int, most: float) -> None:
    net = wide(layers)
    with torch.no_grad():
        net[-1].bias[0] += 100  # all images are of class 0, from which the trigger leads away
    hook = _Matching(task(net, recovered=corner()), Unlearn())
    (1e4 * net(torch.ones(2, 1, 6, 6)).sum()).backward()
    hook.on_gradients(torch.zeros(0), torch.zeros(0), net)
    norms = torch.stack([p.grad.norm() for p in net.parameters() if p.grad is not None])
    assert norms.norm().item() == pytest.approx(most, rel=1e-4)


def test_settings_are_in_a_methods_name() -> None:
    assert repr(FtSam(rho=1.0)) == "FtSam(lr=0.01, epochs=20, rho=1.0)"
