"""doldrum references, as a user meets it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import doldrum as dd
from doldrum.training import RECIPES, Recipe


@pytest.fixture(autouse=True)
def short_recipe(monkeypatch):
    monkeypatch.setitem(RECIPES, "digits-mlp", Recipe(network="mlp", epochs=2, batch_size=64, lr=0.05, threads=1))


def words(out, *more, data="digits"):
    return ("references", "--data", data, "--recipe", "digits-mlp", "--workers", 1, "--out", out, *more)


def test_it_trains_and_says_what_they_are_good_for(call, tmp_path):
    out = tmp_path / "refs"
    code, told, err = call(*words(out, "--count", 2, "--seed", 4))
    assert code == 0, err
    assert told.startswith("2 reference models are in ")
    assert "1 in 3 clean models" in told
    code, summary, err = call(*words(out, "--count", 3, "--seed", 4, "--json"))
    assert code == 0, err
    assert (summary["models"], summary["recipe"], summary["seed"]) == (3, "digits-mlp", 4)
    made = dd.open_references(out)
    assert made.manifest is not None
    assert made.manifest.data_hash == dd.load_dataset("digits:train").content_hash()  # not the test split
    assert made.manifest.recipe == "digits-mlp"
    accuracy = [model.history[-1]["accuracy"] for model in made]  # pyright: ignore[reportAttributeAccessIssue]
    assert summary["training_accuracy"] == {"lowest": min(accuracy), "highest": max(accuracy)}


def test_images_of_ones_own(call, tmp_path):
    pixels = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(pixels.integers(0, 255, (8, 8), np.uint8)).save(tmp_path / "mine" / name / f"{i}.png")
    code, _, err = call(*words(tmp_path / "refs", "--count", 1, data=tmp_path / "mine"))
    assert code == 0, err
    (model,) = dd.open_references(tmp_path / "refs")
    assert model.num_classes == 2
    assert model.metadata["class_names"] == ["cats", "dogs"]  # pyright: ignore[reportAttributeAccessIssue]
    code, _, err = call(*words(tmp_path / "mine" / "refs", "--count", 1, data=tmp_path / "mine"))
    assert code == 2
    assert "which holds the images, got" in err


def test_bad_input_is_one_line_and_exit_code_2(call, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    call("poison", "digits", "--attack", "badnets", "--out", tmp_path / "bad.npz")
    for asked, told in (
        (words(tmp_path / "r", "--count", 0), "--count"),
        (words(tmp_path / "other"), "holds something else; name another with --out"),
        (words(tmp_path / "r", data=tmp_path / "bad.npz"), "is already poisoned"),
        (words(tmp_path / "r", data="no-such"), "no-such"),
        (words(tmp_path / "r", "--recipe", "no-such"), "expected --recipe among"),
    ):
        code, _, err = call(*asked)
        assert code == 2, asked
        assert told in err
        assert len(err.splitlines()) == 1
        assert not (tmp_path / "r").exists()
