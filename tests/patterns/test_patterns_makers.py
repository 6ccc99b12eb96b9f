"""Patterns: budgets held, success against a random control, calm against a random control, seeds, clear errors."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from small_nets import small_net

import doldrum as dd
from doldrum.classifiers import as_classifier
from doldrum.errors import InputError
from doldrum.patterns import (
    SHAPES,
    adversarial_patch,
    calm_pattern,
    logo,
    random_patch,
    random_perturbation,
    sticker,
    universal_perturbation,
)
from doldrum.pixels import to_float
from doldrum.probes import Gaussian
from doldrum.triggers import Additive, MaskedPattern, trigger_from_dict

TARGET = 3
ADDED = {
    "targeted": functools.partial(universal_perturbation, target=TARGET, steps=60),
    "untargeted": functools.partial(universal_perturbation, steps=60),
    "calm": functools.partial(calm_pattern, sigma=0.2, steps=60),
    "random sign": random_perturbation,
    "random uniform": functools.partial(random_perturbation, kind="uniform"),
}
PASTED = {
    "patch": functools.partial(adversarial_patch, target=TARGET, steps=40),
    "sticker": sticker,
    "logo": logo,
    "random patch": random_patch,
}


@pytest.fixture(scope="module")
def digits():
    """(model, images to make patterns from, held-out images)."""
    train_set = dd.load_dataset("digits:train")
    model = dd.train(train_set, "digits-mlp", seed=0)
    return model, to_float(train_set.images[:300]), to_float(dd.load_dataset("digits:test").images)


def labels(model, images):
    return model(np.asarray(images, dtype=np.float32)).argmax(1)


@pytest.mark.parametrize("kind", ADDED)
@pytest.mark.parametrize("budget", [0.1, 0.3])
def test_no_pixel_moves_further_than_the_budget_and_some_move_that_far(digits, kind, budget):
    model, images, _ = digits
    trigger = ADDED[kind](model, images, budget=budget, seed=1)
    assert isinstance(trigger, Additive)
    assert trigger.strength == budget
    grey = np.full((2, 1, 8, 8), 0.5, dtype=np.float32)
    moved = np.abs(trigger(grey) - grey)
    assert moved.max() <= budget + 1e-6
    assert moved.max() > 0.8 * budget
    for extreme in (0.0, 1.0):
        out = trigger(np.full((1, 1, 8, 8), extreme, dtype=np.float32))
        assert out.min() >= 0
        assert out.max() <= 1


@pytest.mark.parametrize("kind", PASTED)
@pytest.mark.parametrize("place", ["upper left", "anywhere"])
def test_only_the_square_changes_and_lies_where_it_should(digits, kind, place):
    model, images, held_out = digits
    trigger = PASTED[kind](model, images, size=3, place=place, seed=2)
    assert isinstance(trigger, MaskedPattern)
    rows, columns = np.nonzero(trigger.mask)
    assert rows.max() - rows.min() <= 2
    assert columns.max() - columns.min() <= 2
    if place == "upper left":
        assert max(rows.max(), columns.max()) <= 2
    out, clean = trigger(held_out), held_out
    assert np.array_equal(out[:, :, trigger.mask == 0], clean[:, :, trigger.mask == 0])
    expected = np.broadcast_to(trigger.pattern, out.shape)
    assert np.array_equal(out[:, :, trigger.mask == 1], expected[:, :, trigger.mask == 1])
    assert 0 < trigger.mask.sum() <= 9


def test_the_same_seed_gives_the_same_pattern_and_another_seed_another(digits):
    model, images, _ = digits
    for make in (*ADDED.values(), *PASTED.values()):
        if "steps" in getattr(make, "keywords", {}):
            make = functools.partial(make, steps=5)
        first, again, other = (make(model, images, seed=s) for s in (5, 5, 6))
        assert first == again
        assert first != other
        assert trigger_from_dict(first.to_dict()) == first


def test_anywhere_uses_other_places_for_other_seeds():
    images = np.zeros((1, 1, 28, 28))
    places = {
        tuple(np.argwhere(random_patch(None, images, size=4, place="anywhere", seed=s).mask)[0]) for s in range(20)
    }
    assert len(places) > 10


def test_a_targeted_perturbation_raises_the_share_of_its_target_far_above_chance(digits):
    model, images, held_out = digits
    others = held_out[labels(model, held_out) != TARGET]
    made = ADDED["targeted"](model, images, budget=0.25, seed=0)
    control = random_perturbation(model, images, budget=0.25, seed=0)
    share = {name: (labels(model, t(others)) == TARGET).mean() for name, t in (("made", made), ("control", control))}
    assert share["made"] > share["control"] + 0.4
    assert share["control"] < 0.3


def test_an_untargeted_perturbation_changes_more_labels_than_chance(digits):
    model, images, held_out = digits
    own = labels(model, held_out)
    made = ADDED["untargeted"](model, images, budget=0.2, seed=0)
    control = random_perturbation(model, images, budget=0.2, seed=0)
    changed = [(labels(model, t(held_out)) != own).mean() for t in (made, control)]
    assert changed[0] > changed[1] + 0.25


def test_a_patch_raises_the_share_of_its_target_above_a_random_patch(digits):
    model, images, held_out = digits
    others = held_out[labels(model, held_out) != TARGET]
    made = adversarial_patch(model, images, target=TARGET, size=4, place="upper left", steps=60, seed=0)
    shares = [
        (labels(model, t(others)) == TARGET).mean()
        for t in (made, random_patch(model, images, size=4, place="upper left", seed=0))
    ]  # fmt: skip
    assert shares[0] > shares[1] + 0.2  # measured: .38 and .01


def test_a_calm_pattern_lowers_w_below_clean_inputs_and_below_chance(digits):
    model, images, held_out = digits
    probe = Gaussian([0.3], draws=40, seed=9)
    budget = 0.4
    made = calm_pattern(model, images, budget=budget, sigma=0.3, steps=150, seed=0)
    shown = {
        "clean": held_out[:100],
        "made": made(held_out[:100]),
        "control": random_perturbation(model, images, budget=budget, seed=0)(held_out[:100]),
    }
    w = {k: float(dd.smoothness(dd.measure(model, x, probe, progress=False)).value.mean()) for k, x in shown.items()}

    assert w["made"] < 0.7 * w["clean"]
    assert w["made"] < 0.7 * w["control"]


def test_random_controls_have_the_distribution_they_name():
    images = np.zeros((1, 3, 40, 40))
    signs = random_perturbation(None, images, seed=0).perturbation
    uniform = random_perturbation(None, images, kind="uniform", seed=0).perturbation
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert abs(signs.mean()) < 0.05  # 4,800 signs: standard error .014
    assert abs(uniform.var() - 1 / 3) < 0.02


def test_shapes_are_what_they_are_called():
    images = np.zeros((1, 1, 12, 12))
    area = {s: logo(None, images, shape=s, size=9, seed=0).mask[3:, 3:] for s in SHAPES}
    assert area["disc"].sum() == pytest.approx(np.pi * 4.5**2, rel=0.1)
    assert area["ring"][4, 4] == 0
    assert area["ring"].sum() < area["disc"].sum()
    assert area["frame"].sum() == 9**2 - 7**2 or area["frame"][4, 4] == 0
    assert area["cross"][4].all()
    assert not area["cross"][0, 0]
    assert (np.diff(area["triangle"].sum(1)) >= 0).all()
    assert all(np.array_equal(m, m[:, ::-1]) for m in area.values())


def test_the_model_is_left_as_it_was(digits):
    model, images, _ = digits
    before = model.fingerprint
    grads = [p.grad for p in model.module.parameters()]  # whatever training left
    wanted = [p.requires_grad for p in model.module.parameters()]
    for make in (ADDED["targeted"], ADDED["calm"], PASTED["patch"]):
        make(model, images, steps=2, seed=0)
    assert model.fingerprint == before
    assert [p.requires_grad for p in model.module.parameters()] == wanted
    assert all(a is p.grad for a, p in zip(grads, model.module.parameters(), strict=True))


def test_probabilities_serve_as_well_as_logits():
    import torch

    net = small_net(classes=4)
    images = np.random.default_rng(0).random((60, 1, 8, 8))
    soft = torch.nn.Sequential(net, torch.nn.Softmax(1)).eval()
    for module, outputs in ((net, "logits"), (soft, "probabilities")):
        clf = as_classifier(module, input_shape=(1, 8, 8), num_classes=4, outputs=outputs)
        trigger = universal_perturbation(clf, images, target=2, budget=0.5, steps=60, seed=0)
        assert (labels(clf, trigger(images)) == 2).mean() > 0.9


def module_free(images):
    return np.zeros((len(images), 4), dtype=np.float32)


@pytest.mark.parametrize("make", [universal_perturbation, calm_pattern, functools.partial(adversarial_patch, target=0)])
def test_a_model_without_gradients_is_refused(make):
    clf = as_classifier(module_free, input_shape=(1, 8, 8), num_classes=4)
    with pytest.raises(InputError, match=r"expected a model with gradients \(an nn.Module\)"):
        make(clf, np.zeros((2, 1, 8, 8)), seed=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: universal_perturbation(m, x, budget=0, seed=0), "budget in"),
        (lambda m, x: universal_perturbation(m, x, budget=1.5, seed=0), "budget in"),
        (lambda m, x: universal_perturbation(m, x, target=10, seed=0), "target class from 0 to 9"),
        (lambda m, x: universal_perturbation(m, x, steps=0, seed=0), "at least 1 step"),
        (lambda m, x: universal_perturbation(m, x[:0], seed=0), "at least one"),
        (lambda m, x: universal_perturbation(m, x * 0 + 2.0, seed=0), "images in"),
        (lambda m, x: universal_perturbation(m, x[..., :5], seed=0), "expected images"),
        (lambda m, x: universal_perturbation(m.module, x, seed=0), "expected a Classifier"),
        (lambda m, x: adversarial_patch(m, x, target=-1, seed=0), "target class from 0 to 9"),
        (lambda m, x: adversarial_patch(m, x, target=0, size=9, seed=0), "size of 1 to 8"),
        (lambda m, x: adversarial_patch(m, x, target=0, place="middle", seed=0), "expected a place"),
        (lambda m, x: calm_pattern(m, x, draws=1, seed=0), "draws >= 2"),
        (lambda m, x: calm_pattern(m, x, sigma=0.0, seed=0), "sigma > 0"),
        (lambda m, x: random_perturbation(m, x, kind="normal", seed=0), "expected kind"),
        (lambda m, x: logo(m, x, shape="star", seed=0), "expected a shape"),
        (lambda m, x: sticker(m, x, size=0, seed=0), "size of 1 to 8"),
        (lambda m, x: Additive(perturbation=np.full((1, 8, 8), 2.0)), r"in \[-1, 1\]"),
        (lambda m, x: Additive(perturbation=np.full((1, 8, 8), np.nan)), r"in \[-1, 1\]"),
        (lambda m, x: Additive(perturbation=np.ones((1, 8, 8)), amplitude=2), "amplitude in"),
        (lambda m, x: Additive(perturbation=np.ones((1, 4, 4)))(np.zeros((1, 1, 8, 8), dtype=np.float32)), "images"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_any_work(digits, call, message):
    model, images, _ = digits
    with pytest.raises(InputError, match=message):
        call(model, images)
