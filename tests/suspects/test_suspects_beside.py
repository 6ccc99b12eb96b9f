"""Which files beside a model are its weights: by what the model says, never by what lies there."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from doldrum.errors import InputError
from doldrum.suspects import beside
from doldrum.suspects.beside import weights_beside


def outside(name: str, location: str):
    """A tensor whose values are kept in the file `location`."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "16")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def model_of(nodes=(), initializers=(), functions=(), sparse=()):
    graph = helper.make_graph(list(nodes), "g", [], [], list(initializers))
    graph.sparse_initializer.extend(sparse)
    return helper.make_model(graph, functions=list(functions))


def test_locations_are_found_wherever_a_tensor_can_be(tmp_path):
    """As onnx itself sees them: in initialisers, attributes, graphs inside nodes, functions and sparse tensors."""
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=outside("t", "b.data"))], "inner", [], [])
    branch = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    many = helper.make_node("Odd", [], ["z"])
    many.attribute.add(name="m", type=onnx.AttributeProto.TENSORS).tensors.append(outside("t", "c.data"))
    call = [helper.make_node("Constant", [], ["c"], value=outside("t", "d.data"))]
    function = helper.make_function("own", "f", [], ["c"], call, [helper.make_opsetid("", 17)])
    sparse = onnx.SparseTensorProto(values=outside("v", "e.data"), indices=outside("i", "f.data"), dims=[4])
    model = model_of([branch, many], [outside("w", "a.data"), outside("v", "a.data")], [function], [sparse])
    (tmp_path / "m").write_bytes(model.SerializeToString())
    assert weights_beside(tmp_path / "m") == [f"{letter}.data" for letter in "abcdef"]


def test_words_in_the_bytes_are_no_locations(tmp_path):
    """A neighbour's name as a name, a comment or a weight's bytes says nothing."""
    text = np.frombuffer(b"location w.data\0", np.float32)
    node = helper.make_node("Identity", ["w.data"], ["location"], name="w.data", doc_string="location: w.data")
    model = model_of([node], [numpy_helper.from_array(text, "w.data")])
    model.metadata_props.add(key="location", value="w.data")
    model.graph.initializer[0].external_data.add(key="checksum", value="location")
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert b"location" in (tmp_path / "m.onnx").read_bytes()
    assert weights_beside(tmp_path / "m.onnx") == []


@pytest.mark.parametrize("location", ["../w.data", "/etc/passwd", "a/b", "..", "", "C:\\w", "x\0y"])
def test_places_elsewhere_are_left_out(tmp_path, location):
    (tmp_path / "m").write_bytes(model_of(initializers=[outside("w", location)]).SerializeToString())
    assert weights_beside(tmp_path / "m") == []


def test_only_openvino_has_the_bin_of_its_own_name(tmp_path):
    (tmp_path / "m.xml").write_text('<?xml version="1.0"?><net/>')
    (tmp_path / "m.onnx").write_bytes(model_of().SerializeToString())
    (tmp_path / "m.pt").write_bytes(b"PK\x03\x04location")
    assert [weights_beside(tmp_path / f"m.{end}") for end in ("xml", "onnx", "pt", "none")] == [["m.bin"], [], [], []]


def test_bytes_that_are_no_message_end_the_search(tmp_path, monkeypatch):
    whole = model_of(initializers=[outside("w", "a.data")]).SerializeToString()
    rng = np.random.default_rng(0)
    for k in range(400):  # none raises, hangs or names what is no file's name
        data = bytearray(whole[: int(rng.integers(1, len(whole) + 1))])
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
        (tmp_path / "m").write_bytes(bytes(data) + b"location")
        assert all(beside.is_bare_name(name) for name in weights_beside(tmp_path / "m")), k
    monkeypatch.setattr(beside, "_MOST_FIELDS", 3)
    (tmp_path / "m").write_bytes(whole)
    with pytest.raises(InputError, match="more than 3 fields"):
        weights_beside(tmp_path / "m")
