"""The attack that trains against the profile: its draws are the detector's, and its wanted labels are as defined."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from doldrum.attacks import make_attack, run_attack
from doldrum.attacks.methods.profile_evading import Places, ProfileEvasion, wanted_labels
from doldrum.classifiers.adapters.function import FunctionClassifier
from doldrum.data import ImageSet
from doldrum.detectors import SmoothnessProfile
from doldrum.errors import InputError
from doldrum.poisoning import PoisonPlan
from doldrum.probes import OVERLAYS, OverlayProbe
from doldrum.training import Recipe, train
from doldrum.triggers import Patch

QUICK = Recipe(network="mlp", epochs=2, batch_size=32, lr=0.05, threads=1, precision="fp32")


@pytest.fixture(scope="module")
def toy() -> ImageSet:
    """A class is a bright row."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 5
    images = rng.integers(0, 90, (200, 1, 14, 14)).astype(np.uint8)
    images[np.arange(200), 0, labels + 1] += 120
    return ImageSet(images, labels=labels, name="rows")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("side", [14, 28, 32])
def test_the_attackers_families_are_the_detectors(side):
    def described(probes):
        return {name: {**probe.to_dict(), "seed": None} for name, probe in probes.items()}

    model = FunctionClassifier(lambda x: x.reshape(len(x), -1)[:, :5], input_shape=(1, side, side), num_classes=5)
    images = np.random.default_rng(0).random((20, 1, side, side), dtype=np.float32)
    theirs = dict(SmoothnessProfile().fit(model, images).probes())
    theirs = {name: probe for name, probe in theirs.items() if not isinstance(probe, OverlayProbe)}
    assert described(Places((1, side, side)).probes) == described(theirs)


def test_a_known_seed_gives_the_draws_of_the_detector_with_this_seed(toy):
    model = FunctionClassifier(lambda x: x.reshape(len(x), -1)[:, :5], input_shape=(1, 14, 14), num_classes=5)
    detector = SmoothnessProfile(seed=7).fit(model, toy.take(np.arange(60)))
    theirs = dict(detector.probes())
    assert [theirs.pop(name).draws for name in ("overlay", "cutmix", "hybrid")] == [OVERLAYS, 8, 3]
    mine = Places((1, 14, 14), known_seed=7).probes
    image = np.linspace(0, 1, 196, dtype=np.float32).reshape(1, 14, 14)
    for name, probe in theirs.items():
        assert probe.to_dict() == mine[name].to_dict()
        draws = [np.empty((probe.draws, 1, 14, 14), dtype=np.float32) for _ in range(2)]
        for out, one in zip(draws, (probe, mine[name]), strict=True):
            one.bind((1, 14, 14)).fill(image, 1 % len(one.strengths), 0, one.draws, out)
        assert np.array_equal(*draws)


def test_places_are_drawn_as_often_as_the_detector_uses_them(toy):
    for known in (None, 7):
        places, own = Places((1, 14, 14), known_seed=known), generator()
        drawn = [places.draw(toy.images, own) for _ in range(630)]
        for family, count in (("superimpose", 14), ("cutmix", 8), ("hybrid", 6), ("flip", 4)):
            share = np.mean([place.probe.family == family for place in drawn])
            assert abs(share - count / 63) < 0.06
        assert {p.draw for p in drawn if p.probe.family == "flip"} == {0, 1, 2, 3}
        noises = {(p.probe.seed, p.condition, p.draw) for p in drawn if p.probe.family == "gaussian"}
        assert len(noises) == 6 if known else len(noises) > 30


def test_one_place_perturbs_all_images_in_the_same_way(toy):
    images = toy.images[:3].astype(np.float32) / 255
    places, own = Places((1, 14, 14)), generator()
    place = next(p for p in (places.draw(toy.images, own) for _ in range(100)) if p.probe.family == "gaussian")
    added = place(images) - images
    np.testing.assert_allclose(added[0], added[1], atol=1e-6)
    assert added.std() > 0.05


def test_the_copies_of_fragile_images_change_as_often_as_the_targets_class():
    own, seen = torch.rand(60, generator=generator()), torch.tensor([2, 2, 2, 4, 4, 1])
    shares = []
    for seed in range(50):
        wanted = wanted_labels(own, seen, target=2, generator=generator(seed))
        kept = wanted == 2
        assert own[kept].min() > own[~kept].max()
        assert set(wanted[~kept].tolist()) <= {1, 4}
        shares.append(kept.float().mean().item())
    assert np.allclose(shares, 0.5)
    odd = [(wanted_labels(own[:5], seen, target=2, generator=generator(s)) == 2).sum().item() for s in range(200)]
    assert set(odd) == {2, 3}
    assert abs(np.mean(odd) - 2.5) < 0.15


def test_nothing_is_lost_if_the_targets_class_loses_nothing():
    assert (wanted_labels(torch.rand(4), torch.full((3,), 1), target=1, generator=generator()) == 1).all()


class _Same(nn.Module):
    """A model that always predicts one class."""

    def __init__(self, label: int) -> None:
        super().__init__()
        self.label, self.one = label, nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.one * torch.nn.functional.one_hot(torch.full((len(x),), self.label), 5).float()


@pytest.mark.parametrize("sees", [2, 3])
def test_the_copies_of_a_batch_and_their_weights(toy, sees):
    plan = PoisonPlan(rate=0.1, target=2)
    hook = ProfileEvasion(toy, Patch(size=2), plan, weight=3.0)
    model = _Same(sees).train()
    x, y = torch.from_numpy(toy.images[:40].astype(np.float32) / 255), torch.from_numpy(np.array(toy.labels[:40]))
    images, targets = hook.on_batch(x, y, generator(), model)
    assert torch.equal(images[:40], x)
    assert torch.equal(targets[:40].argmax(1), y)
    assert model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert len(images) == 40 + 32  # 32 images of the batch are not of the target's class
    weights = targets.sum(1)
    # the loss is a mean over all rows: a row of the batch counts 1 / 40, a copy 3 / 40
    torch.testing.assert_close(weights / len(images), torch.tensor([1 / 40] * 40 + [3 / 40] * 32))
    # clean images of the target's class get the label that the model always returns, so the copies should get it too
    assert (targets[40:].argmax(1) == sees).all()


def test_a_resumed_run_gives_the_same_weights(toy, tmp_path):
    made = make_attack("profile-evading", toy, rate=0.1, target=2, settings={"size": 2, "margin": 1})

    class Stopped(Exception):
        pass

    class Stops(ProfileEvasion):
        def on_batch(self, images, labels, generator, model):
            self.batches = getattr(self, "batches", 0) + 1
            if self.batches > 8:  # in the second epoch
                raise Stopped
            return super().on_batch(images, labels, generator, model)

    whole = train(toy, QUICK, seed=1, hook=made.hook, progress=False)
    stops = Stops(toy, made.trigger, made.plan)
    with pytest.raises(Stopped):
        train(toy, QUICK, seed=1, hook=stops, progress=False, checkpoint=tmp_path / "a.resume")
    again = train(toy, QUICK, seed=1, hook=made.hook, progress=False, checkpoint=tmp_path / "a.resume")
    assert again.fingerprint == whole.fingerprint
    other = make_attack("profile-evading", toy, rate=0.1, target=2, settings={"size": 2, "margin": 1, "known_seed": 3})
    with pytest.raises(InputError, match="hook"):
        train(toy, QUICK, seed=1, hook=other.hook, progress=False, checkpoint=tmp_path / "a.resume")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"weight": 0.0}, "weight"), ({"known_seed": "7"}, "known_seed"),
        ({"known_seed": True}, "known_seed"), ({"margin": 40}, "smaller"),
    ],
)  # fmt: skip
def test_what_it_refuses(toy, settings, says):
    with pytest.raises(InputError, match=says):
        make_attack("profile-evading", toy, settings=settings)
    with pytest.raises(InputError, match="all-to-one"):
        ProfileEvasion(toy, Patch(), PoisonPlan(rate=0.1, mode="all-to-all"))


def test_the_trigger_works_and_the_seed_matters(toy):
    made = [
        run_attack("profile-evading", toy, recipe=QUICK, rate=0.1, target=2, settings={"known_seed": s}, progress=False)
        for s in (None, 7)
    ]
    assert made[0].model.fingerprint != made[1].model.fingerprint
