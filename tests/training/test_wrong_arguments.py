"""Arguments of train of the wrong type: an InputError, before any work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import doldrum as dd
from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.training import Recipe

DATA = ImageSet(np.zeros((8, 1, 4, 4), np.uint8), labels=np.arange(8) % 2)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"seed": "x"}, "seed"),
        ({"seed": None}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": float("nan")}, "seed"),
        ({"recipe": 3}, "Recipe"),
        ({"recipe": "none"}, "recipe= among"),
        ({"network": 5}, "network"),
        ({"network": ""}, "network"),
        ({"network": "none"}, "network"),
        ({"hook": "noise"}, "TrainingHook"),
        ({"checkpoint": 5}, "resume file"),
        ({"data": None}, "images and labels"),
        ({"data": np.zeros((8, 1, 4, 4), np.uint8)}, "images and labels"),
        ({"data": ImageSet(DATA.images, labels=np.zeros(8, int))}, "2 classes"),
        ({"data": ImageSet(DATA.images[:1], labels=[1])}, "2 images"),
    ],
)
def test_train_refuses_in_words(wrong: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doldrum.training.epochs._epoch", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(InputError, match=why):
        dd.train(**{"data": DATA, "recipe": "digits-mlp", "progress": False, **wrong})


def test_a_whole_seed_of_another_type_is_the_same_seed() -> None:
    recipe = Recipe(network="mlp", epochs=1, batch_size=4, lr=0.1, threads=1)
    one, two = (dd.train(DATA, recipe, seed=s, progress=False) for s in (3, np.int64(3)))
    assert one.fingerprint == two.fingerprint
    assert one.metadata["recipe_hash"] == two.metadata["recipe_hash"]


def test_the_same_pixels_of_another_type_give_the_same_weights() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 1, 4, 4), dtype=np.uint8)
    recipe = Recipe(network="mlp", epochs=2, batch_size=4, lr=0.1, threads=1, precision="fp32")
    types = [pixels.astype(np.uint16) * 257, pixels / 255, (pixels / 255).astype(np.float32)]
    models = [dd.train(ImageSet(x, labels=DATA.labels), recipe, progress=False) for x in types]
    exact = [[p.detach().numpy() for p in m.module.parameters()] for m in models]
    for other in exact[1:]:
        for one, two in zip(exact[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
