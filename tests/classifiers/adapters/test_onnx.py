from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from small_nets import small_net

import doldrum as dd
from doldrum.classifiers.adapters.onnx import OnnxClassifier
from doldrum.errors import ClassifierError, InputError


def linear_onnx(
    path: Path, *, batch: int | str = "n", classes: int = 4, domain: str = "", dims=(1, 8, 8)
) -> np.ndarray:
    """A linear model in ONNX, made by hand; gives its weights back."""
    weights = np.random.default_rng(0).standard_normal((int(np.prod(dims)), classes)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["scores"], domain=domain),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *dims])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, classes])],
        [numpy_helper.from_array(weights, "w")],
    )
    opsets = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))
    return weights


def test_scores_are_those_of_the_formula(tmp_path, images) -> None:
    weights = linear_onnx(tmp_path / "m.onnx")
    clf = OnnxClassifier(tmp_path / "m.onnx")
    assert (clf.input_shape, clf.num_classes) == ((1, 8, 8), 4)
    assert np.allclose(clf(images), images.reshape(len(images), -1) @ weights, atol=1e-4)


@pytest.mark.parametrize("batch", ["n", 1, 7])
@pytest.mark.parametrize("engine", ["eager", "auto"])
def test_free_and_fixed_batch_sizes_give_the_same_draws(tmp_path, images, batch, engine) -> None:
    weights = linear_onnx(tmp_path / "m.onnx", batch=batch)
    probe = dd.probes.Gaussian([0.3], draws=50)
    r = dd.measure(OnnxClassifier(tmp_path / "m.onnx"), images, probe, engine=engine)
    flat = dd.as_classifier(lambda x: x.reshape(len(x), -1) @ weights, input_shape=(1, 8, 8), num_classes=4)
    assert (r.draws != dd.measure(flat, images, probe).draws).mean() < 0.005


def test_files_that_could_run_code_or_are_broken_are_refused(tmp_path) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(InputError, match="not there"):
        OnnxClassifier(path)
    path.write_bytes(b"\x80\x04not onnx")
    with pytest.raises(InputError, match="expected"):
        OnnxClassifier(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="expected"):
        OnnxClassifier(path)
    linear_onnx(path, domain="com.evil")
    with pytest.raises(InputError, match=r"domain 'com\.evil'"):
        OnnxClassifier(path)
    linear_onnx(path)
    onnx.save(onnx.load(str(path)), str(path), save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(InputError, match="weights in other files"):
        OnnxClassifier(path)
    torch.save(small_net().state_dict(), tmp_path / "m.pt")
    for name in ("m.pt", "m.onnx"):
        with pytest.raises(InputError, match=r"open it with dd\.open_model"):
            dd.as_classifier(tmp_path / name)


def test_what_the_caller_says_is_held_against_the_file(tmp_path) -> None:
    linear_onnx(tmp_path / "m.onnx")
    with pytest.raises(ClassifierError, match="input_shape"):
        OnnxClassifier(tmp_path / "m.onnx", input_shape=(3, 8, 8))
    with pytest.raises(ClassifierError, match="num_classes"):
        OnnxClassifier(tmp_path / "m.onnx", num_classes=5)
    linear_onnx(tmp_path / "free.onnx", dims=(1, 8, 8))
    model = onnx.load(str(tmp_path / "free.onnx"))
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "h"
    onnx.save(model, str(tmp_path / "free.onnx"))
    with pytest.raises(InputError, match="pass the missing sizes as input_shape="):
        OnnxClassifier(tmp_path / "free.onnx")
    assert OnnxClassifier(tmp_path / "free.onnx", input_shape=(1, 8, 8)).input_shape == (1, 8, 8)


def test_a_file_of_two_outputs_says_which_is_read(tmp_path, images) -> None:
    linear_onnx(tmp_path / "m.onnx")
    one = OnnxClassifier(tmp_path / "m.onnx")
    model = onnx.load(str(tmp_path / "m.onnx"))
    model.graph.output.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["n", 64]))
    onnx.save(model, str(tmp_path / "two.onnx"))
    with pytest.warns(UserWarning, match="got scores, flat: doldrum uses the output scores as the logits"):
        two = OnnxClassifier(tmp_path / "two.onnx")
    assert np.array_equal(two(images), one(images))
