"""Optimised and learned triggers, each against something known."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.fft import dctn
from torch import nn

import doldrum.attacks as a
from doldrum.errors import InputError
from doldrum.poisoning import PoisonPlan
from doldrum.triggers import LowFrequency, trigger_from_dict


def smooth_images(n: int, size: int = 12, channels: int = 1, seed: int = 0) -> np.ndarray:
    raw = np.random.default_rng(seed).random((n, channels, size // 4, size // 4))
    return np.kron(raw, np.ones((4, 4))).astype(np.float32)


def small_net(channels: int = 1, size: int = 12) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * size * size, 16), nn.ReLU(), nn.Linear(16, 4))


def test_pgd_on_a_linear_model_finds_the_worst_point():
    """For two linear logits the loss grows along one fixed sign vector: the best point in the box is known."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(144, 2))
    x = (0.3 + 0.4 * smooth_images(6)).astype(np.float32)
    labels = np.array([0, 1, 0, 1, 0, 1])
    hard = a.pgd(model, x, labels, eps=0.1, steps=30)
    weight = model[1].weight.detach().numpy()
    for i, k in enumerate(labels):
        best = x[i] + 0.1 * np.sign(weight[1 - k] - weight[k]).reshape(1, 12, 12)
        assert np.allclose(hard[i], best, atol=1e-5)


def test_pgd_stays_in_its_box_and_leaves_the_model_as_it_was():
    model = small_net().train()
    x = (smooth_images(5) * 255).astype(np.uint8)
    hard = a.pgd(model, x, np.zeros(5, dtype=int), eps=0.05, steps=5, seed=3)
    assert np.abs(hard - x / np.float32(255)).max() <= 0.05 + 1e-6
    assert hard.min() >= 0
    assert hard.max() <= 1
    assert model.training
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert np.array_equal(hard, a.pgd(model, x, np.zeros(5, dtype=int), eps=0.05, steps=5, seed=3))
    with pytest.raises(InputError, match="gradients"):
        a.pgd(lambda x: x, x, np.zeros(5, dtype=int))


def test_trojan_patch_excites_its_neurons():
    model, x = small_net(), smooth_images(64)
    trigger = a.trojan_patch(model, x, target=1, size=5, neurons=2, steps=40)
    chosen = model[3].weight[1].topk(2).indices

    def excitement(images: np.ndarray) -> float:
        with torch.no_grad():
            return float(model[:3](torch.from_numpy(images))[:, chosen].mean())

    noise = np.random.default_rng(0).random((5, 5))
    other = x.copy()
    other[:, :, -5:, -5:] = noise
    assert excitement(trigger(x)) > excitement(other) + 0.05
    assert trigger.mask.sum() == 25
    assert (trigger.mask[-5:, -5:] == 1).all()
    with pytest.raises(InputError, match="target class below 4"):
        a.trojan_patch(model, x, target=4)


def test_optimised_low_frequency_beats_a_random_one_and_is_smooth():
    model, x = small_net(), (0.3 + 0.4 * smooth_images(64)).astype(np.float32)
    found = a.optimise_low_frequency(model, x, target=2, amplitude=0.1, cutoff=4, steps=60)

    def towards_target(images: np.ndarray) -> float:
        with torch.no_grad():
            return float(model(torch.from_numpy(images)).log_softmax(dim=1)[:, 2].mean())

    randoms = [towards_target(LowFrequency(amplitude=0.1, cutoff=4, perturbation_seed=s)(x)) for s in range(5)]
    assert towards_target(found(x)) > max(randoms)
    change = dctn((found(x) - x).astype(float)[0, 0], norm="ortho")
    assert np.abs(change[4:]).max() < 1e-5
    assert np.abs(found(x) - x).max() == pytest.approx(0.1, abs=1e-6)


@pytest.fixture(scope="module")
def hidden() -> tuple[a.HiddenString, float]:
    return a.train_encoder(smooth_images(300), bits=4, amplitude=0.1, steps=150, seed=1)


@pytest.fixture(scope="module")
def generated() -> a.GeneratedTrigger:
    hook = a.InputAwareHook(smooth_images(100), PoisonPlan(rate=0.1), num_classes=4, mask_steps=20)
    return hook.trigger()


def test_the_hidden_string_is_written_into_dark_images_too():
    # A penalty from the first step on once taught the encoder to write nothing on a black background.
    images = np.zeros((200, 1, 28, 28), dtype=np.float32)
    images[:, :, 8:20, 8:20] = 0.3 * smooth_images(200)[:, :, :12, :12]
    trigger, accuracy = a.train_encoder(images, bits=8, amplitude=0.1, steps=90, seed=0)
    assert accuracy > 0.9
    change = np.abs(trigger(images[:20]) - images[:20])
    assert change.max(axis=(1, 2, 3)).min() > 0.02
    assert change.mean() > 0.001


def test_the_hidden_string_can_be_read_and_differs_from_image_to_image(hidden):
    trigger, accuracy = hidden
    assert accuracy > 0.9
    x = (0.2 + 0.6 * smooth_images(8, seed=5)).astype(np.float32)
    change = trigger(x) - x
    assert 0.005 < np.abs(change).max() <= 0.1 + 1e-6
    assert len({c.round(4).tobytes() for c in change}) == 8
    assert a.train_encoder(smooth_images(300), bits=4, steps=2, seed=1) == a.train_encoder(
        smooth_images(300), bits=4, steps=2, seed=1
    )


@pytest.mark.parametrize("which", ["hidden", "generated"])
def test_network_triggers_keep_the_contract(which, request):
    trigger = request.getfixturevalue(which)
    trigger = trigger[0] if isinstance(trigger, tuple) else trigger
    x = smooth_images(70)
    before = x.copy()
    whole = trigger(x)
    assert np.array_equal(x, before)
    assert whole.dtype == np.float32
    assert whole.min() >= 0
    assert whole.max() <= 1
    for i in (0, 13, 69):
        assert np.array_equal(trigger(x[i : i + 1])[0], whole[i])
    assert np.array_equal(trigger(x[::-1])[::-1], whole)
    assert trigger(x[:0]).shape == (0, 1, 12, 12)
    back = trigger_from_dict(json.loads(json.dumps(trigger.to_dict())))
    assert back == trigger
    assert np.array_equal(back(x), whole)
    with pytest.raises(InputError, match="1 channels"):
        trigger(smooth_images(2, channels=3))
    broken = trigger.to_dict()
    broken["settings"]["weights"].pop(next(iter(broken["settings"]["weights"])))
    with pytest.raises(InputError, match="weights"):
        trigger_from_dict(broken)(x)


def test_noise_hardening_adds_noise_of_its_sigmas():
    hook = a.NoiseHardening(sigmas=(0.0, 0.2))
    x = torch.full((200, 1, 8, 8), 0.5)
    out, labels = hook.on_batch(x, torch.arange(200), torch.Generator().manual_seed(0), nn.Identity())
    spread = (out - x).flatten(1).std(dim=1)
    assert ((spread == 0) | ((spread > 0.12) & (spread < 0.28))).all()
    assert 60 < (spread == 0).sum() < 140
    assert torch.equal(labels, torch.arange(200))
    assert torch.equal(hook.on_batch(x, labels, torch.Generator().manual_seed(0), nn.Identity())[0], out)


@pytest.mark.parametrize("mode", ["all-to-one", "all-to-all"])
def test_input_aware_poisons_its_share_and_leaves_the_model_alone(mode):
    plan = PoisonPlan(rate=0.1, mode=mode)
    x = torch.from_numpy(smooth_images(200))
    labels = torch.arange(200) % 4
    hook = a.InputAwareHook(x.numpy(), plan, num_classes=4, mask_steps=100)
    density = float(hook.network(x)[1].mean())
    assert 0.001 < density < 0.15
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(400, 4)).train()
    kept = {k: v.clone() for k, v in model.state_dict().items()}
    pattern = [p.clone() for p in hook.network.pattern.parameters()]
    mask = [p.clone() for p in hook.network.mask.parameters()]
    out, new = hook.on_batch(x, labels, torch.Generator().manual_seed(0), model)
    changed = new != labels
    assert changed.sum() == 20
    wanted = torch.zeros_like(labels) if mode == "all-to-one" else (labels + 1) % 4
    assert torch.equal(new[changed], wanted[changed])
    touched = (out != x).flatten(1).any(dim=1)
    assert 20 <= touched.sum() <= 40
    assert touched[changed].all()
    assert model.training
    assert all(torch.equal(kept[k], v) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert any(not torch.equal(p, q) for p, q in zip(pattern, hook.network.pattern.parameters(), strict=True))
    assert all(torch.equal(p, q) for p, q in zip(mask, hook.network.mask.parameters(), strict=True))


def test_input_aware_goes_on_from_its_state():
    x, plan = smooth_images(100), PoisonPlan(rate=0.1)
    one, other = (a.InputAwareHook(x, plan, num_classes=4, mask_steps=2) for _ in range(2))
    model, batch = small_net().train(), torch.from_numpy(x)
    labels = torch.arange(100) % 4
    one.on_batch(batch, labels, torch.Generator().manual_seed(0), model)
    other.load_state_dict({k: v.clone() for k, v in one.state_dict().items()})
    for hook in (one, other):
        hook.on_batch(batch, labels, torch.Generator().manual_seed(1), model)
    assert one.trigger() == other.trigger()
    assert one.name == other.name


def test_input_aware_refuses_plans_it_cannot_keep():
    with pytest.raises(InputError, match="all-to-one or all-to-all"):
        a.InputAwareHook(smooth_images(4), PoisonPlan(rate=0.1, mode="clean-label"), num_classes=4)
