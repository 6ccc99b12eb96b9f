"""A folder of clean models: which files are models, and that they are alike and different."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

import doldrum as dd
from doldrum.errors import InputError
from doldrum.networks import build
from doldrum.references import train_references
from doldrum.training import Recipe, save_checkpoint

SHORT = Recipe(network="mlp", epochs=1, batch_size=64, lr=0.05, threads=1)
SHAPE = (1, 8, 8)


def save(path, seed, *, shape=SHAPE, classes=10):
    torch.manual_seed(seed)
    model = build("mlp", input_shape=shape, num_classes=classes)
    return save_checkpoint(path, model, {"network": "mlp", "input_shape": shape, "num_classes": classes})


def to_onnx(path, seed, *, outside=None):
    """A linear model of 8 x 8 images and 10 classes; its weights in a file beside it where `outside` names one."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(seed).standard_normal((64, 10)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["f"], axis=1), helper.make_node("MatMul", ["f", "w"], ["s"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("s", TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path), save_as_external_data=outside is not None, location=outside, size_threshold=0)
    return weights


def test_models_of_any_format_in_the_order_of_their_names(tmp_path):
    first, third = save(tmp_path / "a.safetensors", 0), save(tmp_path / "c.safetensors", 1)
    weights = to_onnx(tmp_path / "b.onnx", 2, outside="b.weights")
    for name in ("LICENSE.txt", "README.md", ".hidden", "c.json", "c.safetensors.resume"):
        (tmp_path / name).write_text("no model")
    found = dd.open_references(tmp_path)
    assert found.names == ("a.safetensors", "b.onnx", "c.safetensors")
    assert (len(found), found.input_shape, found.num_classes, found.manifest) == (3, SHAPE, 10, None)
    images = np.random.default_rng(0).random((4, *SHAPE), dtype=np.float32)
    for got, want in zip((found[0], found[-1]), map(dd.load_checkpoint, (first, third)), strict=True):
        np.testing.assert_array_equal(got(images), want(images))
    model = found[1]
    np.testing.assert_allclose(model(images), images.reshape(4, -1) @ weights, rtol=1e-4, atol=1e-4)
    assert model.fingerprint == found.fingerprints[1]
    model.close()
    part = found[::2]
    assert (part.names, part.fingerprints) == (found.names[::2], found.fingerprints[::2])
    assert [m.fingerprint for m in part] == list(part.fingerprints)
    with pytest.raises(IndexError):
        found[3]


def test_options_are_those_of_the_door(tmp_path):
    to_onnx(tmp_path / "a.onnx", 0)
    plain, scaled = dd.open_references(tmp_path), dd.open_references(tmp_path, scale=255)
    assert plain.fingerprints != scaled.fingerprints
    images = np.full((1, *SHAPE), 0.5, np.float32)
    np.testing.assert_allclose(scaled[0](images), 255 * plain[0](images), rtol=1e-4)
    with pytest.raises(TypeError, match="no_such"):
        dd.open_references(tmp_path, no_such=1)


def test_copies_are_no_evidence(tmp_path):
    save(tmp_path / "a.safetensors", 0)
    save(tmp_path / "b.safetensors", 1)
    shutil.copy(tmp_path / "a.safetensors", tmp_path / "c.safetensors")
    with pytest.raises(InputError, match=r"got a.safetensors and c.safetensors, which are the same; remove one"):
        dd.open_references(tmp_path)


@pytest.mark.parametrize("other", [{"shape": (1, 9, 8)}, {"classes": 9}])
def test_the_one_that_differs_is_named(tmp_path, other):
    save(tmp_path / "a.safetensors", 0)
    save(tmp_path / "b.safetensors", 1, **other)
    with pytest.raises(
        InputError,
        match=r"got shape \(1, [89], 8\) and \d+ classes in b.safetensors, but shape \(1, 8, 8\) and 10 classes in a.safetensors",
    ):
        dd.open_references(tmp_path)


def test_what_is_no_clean_model_is_named(tmp_path):
    with pytest.raises(InputError, match=r"expected a folder of reference models, got .*absent"):
        dd.open_references(tmp_path / "absent")
    with pytest.raises(InputError, match=r"expected model files in .*, got none"):
        dd.open_references(tmp_path)
    save(tmp_path / "a.safetensors", 0)
    (tmp_path / "b.onnx").write_bytes(b"\x00broken")
    with pytest.raises(InputError, match=r"reference model b.onnx: expected"):
        dd.open_references(tmp_path)
    (tmp_path / "b.onnx").unlink()
    (tmp_path / "a.attack.json").write_text("{}")
    with pytest.raises(InputError, match=r"got a.safetensors with an attack file beside it"):
        dd.open_references(tmp_path)


def test_a_trained_folder_holds_its_own_models_and_all_of_them(tmp_path):
    digits = dd.load_dataset("digits:train").take(range(128))
    made = train_references(tmp_path, data=digits, recipe=SHORT, count=2)
    # A checkpoint has its own preprocessing: options for other formats are not for it.
    assert dd.open_references(tmp_path, scale=255).fingerprints == made.fingerprints
    save(tmp_path / "mine.safetensors", 0)
    with pytest.raises(InputError, match=r"got also the file mine.safetensors; move this file"):
        dd.open_references(tmp_path)
    (tmp_path / "mine.safetensors").rename(tmp_path / "reference-0001.safetensors")
    assert dd.open_references(tmp_path).fingerprints[0] == made.fingerprints[0]
    (tmp_path / "reference-0000.safetensors").unlink()
    with pytest.raises(InputError, match="expected the 2 reference models"):
        dd.open_references(tmp_path)
