"""Checkpoints round-trip, and a file that isn't ours or is hostile gets a clear error."""

from __future__ import annotations

import importlib.util
import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from doldrum.errors import InputError
from doldrum.networks import TRANSFER, build
from doldrum.training import RECIPES, load_checkpoint, save_checkpoint
from doldrum.training.checkpoint import FORMAT, TrainedClassifier

META = {"network": "mlp", "input_shape": (1, 4, 4), "num_classes": 3}


@pytest.fixture
def model():
    return build("mlp", input_shape=(1, 4, 4), num_classes=3)


def write(path, tensors, **changes):
    header = {"format": FORMAT, **META, **changes}
    save_file({k: v.clone() for k, v in tensors.items()}, path, metadata={"doldrum": json.dumps(header)})
    return path


def test_what_is_saved_comes_back(tmp_path, model):
    clf = TrainedClassifier(model, metadata={**META, "seed": 5}, history=[{"epoch": 0, "loss": 1.0}])
    clf.save(tmp_path / "deep" / "m.safetensors")
    back = load_checkpoint(tmp_path / "deep" / "m.safetensors")
    x = np.random.default_rng(0).random((5, 1, 4, 4), dtype=np.float32)
    np.testing.assert_array_equal(back(x), clf(x))
    assert back.fingerprint == clf.fingerprint
    assert back.metadata["seed"] == 5
    assert back.input_shape == (1, 4, 4)
    assert back.history == [{"epoch": 0, "loss": 1.0}]


def test_metadata_without_the_network_is_refused(tmp_path, model):
    with pytest.raises(InputError, match="num_classes"):
        save_checkpoint(tmp_path / "m.safetensors", model, {"network": "mlp", "input_shape": (1, 4, 4)})


@pytest.mark.parametrize(
    "changes",
    [
        {"network": "__import__('os')"},
        {"network": ["mlp"]},
        {"input_shape": [1, 4]},
        {"input_shape": [1, 4, 10**9]},
        {"input_shape": [3, 4096, 4096]},
        {"input_shape": [1, 4, True]},
        {"input_shape": "144"},
        {"num_classes": 4},
        {"num_classes": 1},
        {"num_classes": -3},
        {"num_classes": 3.0},
        {"num_classes": 10**9},
        {"format": "doldrum-checkpoint-99"},
        {"network": "vit-small", "input_shape": [1, 1, 1]},
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path, model, changes):
    path = write(tmp_path / "m.safetensors", model.state_dict(), **changes)
    with pytest.raises(InputError, match=r"expected .*got"):
        load_checkpoint(path)


def test_tensors_that_do_not_fit_are_refused(tmp_path, model):
    state = model.state_dict()
    name = next(iter(k for k in state if k.endswith("weight")))
    bad = [
        {k: v for k, v in state.items() if k != name},
        {**state, "extra": torch.zeros(1)},
        {**state, name: state[name].double()},
        {**state, name: state[name][:-1]},
        {**state, name: torch.full_like(state[name], float("nan"))},
    ]
    for index, tensors in enumerate(bad):
        with pytest.raises(InputError, match=r"expected .*got"):
            load_checkpoint(write(tmp_path / f"{index}.safetensors", tensors))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        struct.pack("<Q", 2**63),
        struct.pack("<Q", 10**7) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 4) + b"nope",
        b"\x80\x04\x95" + b"pickle" * 20,
    ],
)
def test_files_that_are_not_ours_are_refused(tmp_path, content):
    path = tmp_path / "m.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="expected"):
        load_checkpoint(path)


def test_a_cut_off_file_a_folder_and_an_absent_one_are_refused(tmp_path, model):
    path = write(tmp_path / "m.safetensors", model.state_dict())
    path.write_bytes(path.read_bytes()[:-10])
    for bad in (path, tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="expected"):
            load_checkpoint(bad)


def test_somebody_elses_safetensors_is_refused(tmp_path, model):
    for index, metadata in enumerate(
        [None, {"format": "pt"}, {"doldrum": "[1]"}, {"doldrum": "{"}, {"doldrum": "[" * 9999}]
    ):
        save_file(model.state_dict(), tmp_path / f"{index}", metadata=metadata)
        with pytest.raises(InputError, match="expected"):
            load_checkpoint(tmp_path / f"{index}")


def test_every_recipe_names_a_network_that_can_be_saved(tmp_path):
    for recipe in RECIPES.values():
        if recipe.network in ("preact-resnet18", "vgg11-bn"):
            continue
        if recipe.network in TRANSFER and importlib.util.find_spec("efficientnet_lite_pytorch") is None:
            continue
        shape = (3, 32, 32) if recipe.network in ("vit-small", *TRANSFER) else (1, 8, 8)
        net = build(recipe.network, input_shape=shape, num_classes=4)
        meta = {"network": recipe.network, "input_shape": shape, "num_classes": 4, "recipe": replace(recipe).hash()}
        assert load_checkpoint(save_checkpoint(tmp_path / "m", net, meta)).num_classes == 4
