"""Recipes are checked when made and name a run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from doldrum.errors import InputError
from doldrum.training.recipe import RECIPES, Recipe, get_recipe

BASE = {"network": "mlp", "epochs": 1, "batch_size": 8, "lr": 0.1}


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"epochs": float("nan")},
        {"batch_size": 1},
        {"batch_size": 8.0},
        {"batch_size": True},
        {"lr": 0.0},
        {"lr": "0.1"},
        {"momentum": 1.0},
        {"weight_decay": -1e-3},
        {"warmup": 1.0},
        {"shift": -1},
        {"flip": 1},
        {"muon_lr": 0},
        {"precision": "fp16"},
        {"optimizer": "lion"},
        {"schedule": "step"},
        {"threads": 0},
        {"network": ""},
    ],
)
def test_a_bad_value_is_refused_by_name(change):
    with pytest.raises(InputError, match=rf"expected .*{next(iter(change))}|name of a network"):
        Recipe(**{**BASE, **change})


def test_the_rate_rises_to_its_peak_and_falls_to_nothing():
    recipe = Recipe(**BASE, warmup=0.2)
    rates = [recipe.lr_at(step, 1000) for step in range(1000)]
    peak = rates.index(max(rates))
    assert 198 <= peak <= 201
    assert max(rates) == pytest.approx(0.1, rel=0.01)
    assert rates[0] < 0.001
    assert rates[-1] < 0.001
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


def test_cosine_is_half_way_down_half_way_through():
    recipe = Recipe(**BASE, warmup=0.0, schedule="cosine")
    assert recipe.lr_at(500, 1001) == pytest.approx(0.05)


def test_every_part_of_a_recipe_and_its_context_changes_the_hash():
    recipe = Recipe(**BASE)
    assert recipe.hash() == Recipe(**BASE).hash()
    others = [Recipe(**{**BASE, "lr": 0.2}).hash(), recipe.hash(seed=0), recipe.hash(seed=1), recipe.hash(data="x")]
    assert len({recipe.hash(), *others}) == 5


def test_recipes_are_found_by_name_and_an_unknown_one_is_told():
    assert get_recipe("fashion-cnn") is RECIPES["fashion-cnn"]
    assert get_recipe("fashion-cnn", epochs=7).epochs == 7
    with pytest.raises(InputError, match="fashion-cnn"):
        get_recipe("no-such")
    with pytest.raises(InputError, match="expected a Recipe"):
        get_recipe(3)  # type: ignore[arg-type]


def test_recipes_need_no_torch():
    code = "import sys, doldrum.training; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
