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
        ({"recipe": "none"}, "recipe among"),
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
    monkeypatch.setattr("doldrum.training.loop._epoch", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(InputError, match=why):
        dd.train(**{"data": DATA, "recipe": "digits-mlp", "progress": False, **wrong})


def test_a_whole_seed_of_another_type_is_the_same_seed() -> None:
    recipe = Recipe(network="mlp", epochs=1, batch_size=4, lr=0.1, threads=1)
    one, two = (dd.train(DATA, recipe, seed=s, progress=False) for s in (3, np.int64(3)))
    assert one.fingerprint == two.fingerprint
    assert one.metadata["recipe_hash"] == two.metadata["recipe_hash"]
