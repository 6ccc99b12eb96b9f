"""Every operator against ONNX Runtime, on graphs of one node."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from doldrum.classifiers.adapters.onnx import load_onnxruntime
from doldrum.gradients.onnx_module import OnnxModule
from doldrum.gradients.operators.table import OPERATORS

F, B, I64 = TensorProto.FLOAT, TensorProto.BOOL, TensorProto.INT64
RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 4, 6, 7)).astype(np.float32) * 2
Y = RNG.standard_normal((2, 4, 6, 7)).astype(np.float32)
W = RNG.standard_normal((8, 4, 3, 3)).astype(np.float32)
DEPTHWISE = RNG.standard_normal((4, 1, 3, 3)).astype(np.float32)
C = [RNG.random(4).astype(np.float32) + 0.5 for _ in range(4)]
ROW = RNG.standard_normal(7).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


POSITIVE = ("Abs", [], {})
Specimen = tuple[str, list[Any], dict[str, Any]]
"""An operator, its further inputs, its attributes; keys in capitals are for the test."""

SAME = {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}
SPECIMENS: list[Specimen] = [
    *((op, [], {}) for op in (
        "Neg", "Abs", "Exp", "Erf", "Sin", "Cos", "Tanh", "Sign", "Sigmoid", "Relu", "Softplus", "Softsign", "Identity", "Floor", "Ceil",
        "Round", "Selu", "Elu", "Celu", "LeakyRelu", "ThresholdedRelu", "HardSigmoid", "HardSwish", "Shrink", "Mish", "GlobalAveragePool",
        "GlobalMaxPool", "Softmax", "LogSoftmax", "Flatten", "Transpose", "Dropout", "Mean", "Sum",
    )),
    *((op, [], {"BEFORE": POSITIVE}) for op in ("Sqrt", "Log", "Reciprocal")),
    *((op, [Y], {}) for op in ("Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Mean")),
    *((op, [Y], {"OUT": B}) for op in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")),
    *((op, [Y > 0], {"BEFORE": ("Cast", [], {"to": B}), "OUT": B}) for op in ("And", "Or", "Xor")),
    ("Not", [], {"BEFORE": ("Cast", [], {"to": B}), "OUT": B}),
    ("IsNaN", [], {"OUT": B}), ("IsInf", [], {"OUT": B, "detect_negative": 0, "BEFORE": ("Div", [np.zeros(1, np.float32)], {})}),
    ("Pow", [floats(2)], {}), ("Pow", [np.array(3, np.int64)], {}), ("PRelu", [C[0].reshape(4, 1, 1)], {}),
    ("Clip", [floats(-0.5).reshape(()), floats(0.7).reshape(())], {}), ("Clip", [None, floats(0.7).reshape(())], {}),
    ("Clip", [], {"min": -0.5, "max": 0.5, "OPSET": 7}), ("Gelu", [], {"OPSET": 20}), ("Gelu", [], {"OPSET": 20, "approximate": "tanh"}),
    ("Where", [Y, np.zeros(1, np.float32)], {"BEFORE": ("Greater", [Y], {})}),
    ("Cast", [], {"to": TensorProto.DOUBLE, "OUT": TensorProto.DOUBLE}), ("Cast", [], {"to": TensorProto.INT32, "OUT": TensorProto.INT32}),
    ("Cast", [], {"to": B, "OUT": B}), ("CastLike", [ints(1)], {"OUT": I64}), ("CastLike", [floats(1)], {}),
    ("Swish", [], {"OPSET": 24, "alpha": 1.5}),
    ("Conv", [W, RNG.random(8).astype(np.float32)], {"pads": [1, 1, 1, 1]}), ("Conv", [W], SAME), ("Conv", [W], {**SAME, "auto_pad": "SAME_LOWER"}),
    ("Conv", [W], {"pads": [0, 1, 2, 1], "strides": [2, 1]}), ("Conv", [DEPTHWISE], {"group": 4, "dilations": [2, 2], "pads": [2, 2, 2, 2]}),
    ("ConvTranspose", [RNG.standard_normal((4, 2, 3, 3)).astype(np.float32)], {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
    ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}), ("MaxPool", [], SAME),
    ("MaxPool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1}),
    ("MaxPool", [], {"kernel_shape": [3, 3], "pads": [0, 0, 1, 1], "strides": [2, 2]}),
    ("AveragePool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}), ("AveragePool", [], SAME),
    ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [0, 0, 1, 1], "count_include_pad": 1}),
    ("Gemm", [RNG.random((168, 5)).astype(np.float32), floats(1, 2, 3, 4, 5)], {"alpha": 0.5, "beta": 2.0, "BEFORE": ("Flatten", [], {})}),
    ("Gemm", [RNG.random((5, 2)).astype(np.float32)], {"transA": 1, "transB": 1, "BEFORE": ("Flatten", [], {})}),
    ("MatMul", [RNG.random((7, 3)).astype(np.float32)], {}), ("Einsum", [ROW], {"equation": "nchw,w->nch"}),
    ("BatchNormalization", C, {}), ("BatchNormalization", C, {"OPSET": 7, "epsilon": 1e-3}), ("LRN", [], {"size": 3, "alpha": 0.1}),
    ("InstanceNormalization", C[:2], {}), ("LayerNormalization", [ROW, ROW], {}), ("LayerNormalization", [RNG.random((6, 7)).astype(np.float32)], {"axis": -2}),
    ("GroupNormalization", C[:2], {"num_groups": 2, "OPSET": 21}), ("RMSNormalization", [ROW], {"OPSET": 23}),
    ("LpNormalization", [], {"axis": 1}), ("LpNormalization", [], {"p": 1}), ("Softmax", [], {"OPSET": 11}), ("LogSoftmax", [], {"OPSET": 11, "axis": 2}),
    ("Reshape", [ints(0, -1, 7)], {}), ("Flatten", [], {"axis": 2}), ("Transpose", [], {"perm": [0, 2, 3, 1]}),
    ("Squeeze", [ints(2, 3)], {"BEFORE": ("GlobalAveragePool", [], {})}), ("Squeeze", [], {"axes": [2, 3], "OPSET": 11, "BEFORE": ("GlobalAveragePool", [], {})}),
    ("Squeeze", [], {"BEFORE": ("GlobalAveragePool", [], {})}), ("Unsqueeze", [ints(0, -1)], {}), ("Unsqueeze", [], {"axes": [1], "OPSET": 11}),
    ("Slice", [ints(1, 5), ints(100, 0), ints(1, 3), ints(2, -2)], {}), ("Slice", [ints(-2), ints(-1), ints(2)], {}),
    ("Slice", [], {"starts": [1], "ends": [3], "axes": [1], "OPSET": 7}), ("Slice", [ints(0), ints(1)], {}),
    ("Gather", [ints(2, -1, 0)], {"axis": 1}), ("Gather", [np.array(1, np.int64)], {"axis": 2}), ("Gather", [ints(1, 0).reshape(1, 2)], {"axis": -1}),
    ("GatherElements", [RNG.integers(-4, 4, (2, 4, 6, 7))], {"axis": 1}),
    ("ScatterND", [ints(0, 1, 1, 2).reshape(2, 2), RNG.random((2, 6, 7)).astype(np.float32)], {}),
    ("Split", [ints(1, 3)], {"axis": 1}), ("Split", [], {"axis": 3, "num_outputs": 2, "OPSET": 18}), ("Split", [], {"axis": 1, "split": [3, 1], "OPSET": 11}),
    ("Pad", [ints(0, 0, 1, 2, 0, 0, 3, 1), floats(1.5).reshape(())], {}), ("Pad", [], {"pads": [0, 0, 1, 2, 0, 0, 3, 1], "value": 2.0, "OPSET": 7}),
    *(("Pad", [ints(0, 0, 1, 2, 0, 0, 3, 4)], {"mode": mode}) for mode in ("reflect", "edge")),
    ("Pad", [ints(1, 2), None, ints(3)], {"mode": "wrap", "OPSET": 19}), ("Pad", [ints(0, 0, -1, 0, 0, 0, -2, 0)], {}),
    ("Shape", [], {"OUT": I64}), ("Shape", [], {"start": 1, "end": -1, "OUT": I64}), ("Size", [], {"OUT": I64}),
    ("Expand", [ints(3, 2, 4, 6, 7)], {}), ("Expand", [ints(2, 4, 1, 5)], {"BEFORE": ("GlobalAveragePool", [], {})}),
    ("Tile", [ints(1, 2, 1, 1)], {}), ("Concat", [Y], {"axis": 1}), ("Trilu", [], {}), ("Trilu", [ints(1).reshape(())], {"upper": 0}),
    ("DepthToSpace", [], {"blocksize": 2}), ("DepthToSpace", [], {"blocksize": 2, "mode": "CRD"}),
    ("SpaceToDepth", [], {"blocksize": 2, "BEFORE": ("Slice", [ints(0), ints(6), ints(3)], {})}),
    ("ConstantOfShape", [], {"BEFORE": ("Shape", [], {}), "value": numpy_helper.from_array(floats(3))}),
    ("Range", [ints(900).reshape(()), ints(2).reshape(())], {"BEFORE": ("Size", [], {}), "OUT": I64}),
    *((f"Reduce{op}", [], {"axes": [2, 3], "keepdims": 0, "OPSET": 11}) for op in ("Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSumExp")),
    ("ReduceMean", [ints(1)], {"OPSET": 18}), ("ReduceSum", [ints(-1)], {}), ("ReduceMax", [], {"OPSET": 18}), ("ReduceSum", [], {"noop_with_empty_axes": 1}),
    ("ArgMax", [], {"axis": 1, "OUT": I64}), ("ArgMin", [], {"axis": -1, "keepdims": 0, "select_last_index": 1, "OUT": I64}),
    *(("Resize", [None, floats(1, 1, 2, 1.7)], {"mode": mode, "coordinate_transformation_mode": where})
      for mode in ("nearest", "linear", "cubic") for where in ("half_pixel", "align_corners", "asymmetric")),
    *(("Resize", [None, None, ints(2, 4, 3, 5)], {"mode": mode}) for mode in ("nearest", "linear", "cubic")),
    *(("Resize", [None, floats(1, 1, 1.5, 2)], {"nearest_mode": way}) for way in ("floor", "ceil", "round_prefer_ceil")),
    ("Resize", [None, None, ints(2, 4, 9, 3)], {"mode": "cubic", "exclude_outside": 1}), ("Resize", [None, None, ints(2, 4, 1, 3)], {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}),
    ("Resize", [floats(1, 1, 2, 2)], {"OPSET": 10}), ("Upsample", [floats(1, 1, 2, 2)], {"OPSET": 9, "mode": "linear"}), ("Upsample", [], {"OPSET": 7, "scales": [1.0, 1.0, 2.0, 3.0]}),
    ("QuantizeLinear", [floats(0.1).reshape(()), np.array(100, np.uint8)], {"OUT": TensorProto.UINT8}),
    ("QuantizeLinear", [C[0], np.array([1, 2, 3, 4], np.int8)], {"OUT": TensorProto.INT8, "axis": 1}),
    ("DequantizeLinear", [floats(0.1).reshape(()), np.array(9, np.uint8)], {"BEFORE": ("QuantizeLinear", [floats(0.1).reshape(()), np.array(99, np.uint8)], {})}),
    ("MatMulInteger", [RNG.integers(-9, 9, (7, 3)).astype(np.int8), np.array(9, np.uint8)], {"OUT": TensorProto.INT32, "BEFORE": ("QuantizeLinear", [floats(0.1).reshape(()), np.array(99, np.uint8)], {})}),
    ("ConvInteger", [RNG.integers(0, 9, (5, 4, 3, 3)).astype(np.uint8), np.array(9, np.uint8)], {"OUT": TensorProto.INT32, "BEFORE": ("QuantizeLinear", [floats(0.1).reshape(()), np.array(99, np.uint8)], {})}),
    ("QLinearMatMul", [floats(0.1).reshape(()), np.array(99, np.uint8), RNG.integers(0, 9, (7, 3)).astype(np.uint8), floats(0.2).reshape(()), np.array(4, np.uint8), floats(0.3).reshape(()), np.array(120, np.uint8)], {"OUT": TensorProto.UINT8, "BEFORE": ("QuantizeLinear", [floats(0.1).reshape(()), np.array(99, np.uint8)], {})}),
    ("QLinearConv", [floats(0.1).reshape(()), np.array(99, np.uint8), RNG.integers(-9, 9, (5, 4, 3, 3)).astype(np.int8), floats(0.2), np.array(0, np.int8), floats(0.9).reshape(()), np.array(120, np.uint8), RNG.integers(-9, 9, 5).astype(np.int32)], {"OUT": TensorProto.UINT8, "BEFORE": ("QuantizeLinear", [floats(0.1).reshape(()), np.array(99, np.uint8)], {})}),
    ("DynamicQuantizeLinear", [], {"OUT": TensorProto.UINT8}),
]  # fmt: skip
_OUTPUTS = {"Split": 2, "DynamicQuantizeLinear": 3}


def one_node(specimen: Specimen) -> onnx.ModelProto:
    op, inputs, options = specimen
    options = dict(options)
    before, kind, opset = options.pop("BEFORE", None), options.pop("OUT", F), options.pop("OPSET", 17)
    if op == "Mish":
        opset = 18
    nodes, constants = [], []

    def add(op: str, given: str, more: list[Any], made: list[str], attributes: dict[str, Any]) -> None:
        names = [given]
        for value in more:
            names.append("" if value is None else f"c{len(constants)}")
            if value is not None:
                constants.append(numpy_helper.from_array(np.asarray(value), names[-1]))
        nodes.append(helper.make_node(op, names, made, **attributes))

    if before is not None:
        add(before[0], "x", before[1], ["b"], before[2])
    outputs = ["y", *(f"y{i}" for i in range(1, _OUTPUTS.get(op, 1)))]
    add(op, "b" if before is not None else "x", inputs, outputs, options)
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", F, list(X.shape))], [helper.make_tensor_value_info("y", kind, None)], constants
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8 if opset < 20 else 10)


def runtime(model: onnx.ModelProto) -> Any:
    ort = load_onnxruntime()
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(["y"], {"x": X})[0]


@pytest.mark.parametrize("specimen", SPECIMENS, ids=[f"{i}-{s[0]}" for i, s in enumerate(SPECIMENS)])
def test_an_operator_gives_what_onnx_runtime_gives(tmp_path, specimen):
    model = one_node(specimen)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    ours = OnnxModule(path, output="y")
    wanted = runtime(model)
    found = ours(torch.from_numpy(X)).numpy()
    assert found.shape == wanted.shape
    rounds = 1 if specimen[0] in ("QLinearConv", "QLinearMatMul") else 0
    assert np.abs(found.astype(np.float64) - wanted).max() <= max(2e-5 * max(np.abs(wanted).max(), 1), rounds)
    if rounds:
        assert (found != wanted).mean() < 0.01


def test_every_operator_has_a_specimen():
    tested = {op for op, _, _ in SPECIMENS} | {"Constant"}  # which has no input
    assert set(OPERATORS) - tested == set()


@pytest.mark.parametrize(
    "attribute",
    [
        {"value_float": 2.5},
        {"value_floats": [1.0, 2.0]},
        {"value_int": 3},
        {"value": numpy_helper.from_array(floats(1, 2))},
    ],
)
def test_constants_are_the_numbers_in_their_attribute(tmp_path, attribute):
    nodes = [
        helper.make_node("Constant", [], ["c"], **attribute),
        helper.make_node("Cast", ["c"], ["f"], to=F),
        helper.make_node("Identity", ["f"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", F, list(X.shape))],
        [helper.make_tensor_value_info("y", F, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert np.array_equal(OnnxModule(tmp_path / "m.onnx", output="y")(torch.from_numpy(X)).numpy(), runtime(model))
