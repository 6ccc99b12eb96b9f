"""evaluate, poison, train and cleanse on sources of (image, label): what they give of the ImageSet of the same images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from image_sources import Numbers, sources

import doldrum as dd
from doldrum.cleansing.methods.cleanse import cleanse
from doldrum.errors import InputError
from doldrum.training.recipe import get_recipe

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
LABELS = np.arange(40) % 3
SET = dd.ImageSet(IMAGES, LABELS)
NAMES = ["dataset of pictures", "loader", "hugging face", "list of pairs", "generator of batches"]
RECIPE = get_recipe("digits-mlp", epochs=1)
PLAN = dd.PoisonPlan(rate=0.1, target=0)


def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)).eval()


@pytest.mark.parametrize("name", NAMES)
def test_evaluate(name) -> None:
    trigger = dd.triggers.Patch(size=2)
    for model in (net(), dd.as_classifier(net(), input_shape=(1, 8, 8), num_classes=3)):
        want = dd.evaluate(model, SET, trigger, PLAN)
        found = dd.evaluate(model, sources(IMAGES, LABELS)[name](), trigger, PLAN)
        assert repr(found) == repr(want)  # NaN, where a class has no images, equals nothing


@pytest.mark.parametrize("name", NAMES)
def test_poison(name) -> None:
    want = dd.poison(SET, dd.triggers.Patch(size=2), PLAN, seed=3)
    found = dd.poison(sources(IMAGES, LABELS)[name](), dd.triggers.Patch(size=2), PLAN, seed=3)
    assert np.array_equal(found.poisoned, want.poisoned)
    assert np.array_equal(found.labels, want.labels)
    assert np.allclose(dd.data.to_float(found.images), dd.data.to_float(want.images))


def test_train_and_run_attack() -> None:
    want = dd.train(SET, recipe=RECIPE, seed=0, progress=False)
    found = dd.train(Numbers(IMAGES, LABELS), recipe=RECIPE, seed=0, progress=False)
    assert found.fingerprint == want.fingerprint
    made = dd.run_attack("badnets", Numbers(IMAGES, LABELS), recipe=RECIPE, rate=0.1, progress=False)
    assert made.poisoned is not None
    assert int(made.poisoned.poisoned.sum()) == 4


def test_cleanse() -> None:
    clf = dd.as_classifier(net(), input_shape=(1, 8, 8), num_classes=3)
    want = cleanse(clf, SET, methods=["spectral"], progress=False).drop("spectral")
    found = cleanse(clf, Numbers(IMAGES, LABELS), methods=["spectral"], progress=False).drop("spectral")
    assert np.array_equal(found, want)


def test_items_without_labels_and_items_that_raise_are_refused_in_words() -> None:
    clf = dd.as_classifier(net(), input_shape=(1, 8, 8), num_classes=3)
    broken, bare = Numbers(IMAGES, LABELS, broken=(7,)), list(IMAGES)
    trigger = dd.triggers.Patch(size=2)
    for step in (
        lambda x: dd.evaluate(clf, x),
        lambda x: dd.poison(x, trigger, PLAN),
        lambda x: dd.train(x, recipe=RECIPE),
        lambda x: cleanse(clf, x, methods=["spectral"]),
    ):
        with pytest.raises(InputError, match="item 7 of the Numbers raised ValueError: no pixels in 7"):
            step(broken)
        with pytest.raises(InputError, match="with labels, got a list in which some items have no class number"):
            step(bare)
