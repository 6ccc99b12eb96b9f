"""A small TensorFlow Lite file, written by hand: a linear classifier of 16 x 16 colour images.

Source: TensorFlow's schema.fbs, version 3; the numbers are those of its fields and enums.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from model_forms import CLASSES, SIZE, pictures

TYPES = {
    np.dtype(np.float32): 0,
    np.dtype(np.int32): 2,
    np.dtype(np.uint8): 3,
    np.dtype(np.int64): 4,
    np.dtype(np.int8): 9,
}
DEQUANTIZE, FULLY_CONNECTED, LOGISTIC, RESHAPE, SOFTMAX, CUSTOM, ARG_MAX = 6, 9, 14, 22, 25, 32, 56
_SOFTMAX_OPTIONS, _ARG_MAX_OPTIONS = 9, 40


def linear() -> tuple[np.ndarray, np.ndarray]:
    """Weights (10, 768) and bias (10,) of images (N, 768), channels last, in [0, 1]: fitted by least squares."""
    x = pictures(1000, seed=5).transpose(0, 2, 3, 1).reshape(1000, -1) / 255 - 0.5
    wanted = np.eye(CLASSES)[np.arange(1000) % CLASSES]
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ (wanted - 0.1))
    return (weights.T * 8).astype(np.float32), (-4 * weights.sum(0)).astype(np.float32)


def tflite(
    *,
    kind: Any = np.float32,
    end: int = SOFTMAX,
    classes: int = CLASSES,
    custom: bool = False,
    rows: int = -1,
    old: bool = False,
) -> bytes:
    """The file: images (1, 16, 16, 3), of `kind`, to what `end` makes of the scores; `classes` of 1 is class 3 against class 5.

    `rows` of 1 binds it to one image at a time. With `old`, weights are int8 under the name of uint8, as TensorFlow 1 wrote them.
    """
    weights, bias = linear()
    if classes == 1:
        weights, bias = weights[3:4] - weights[5:6], bias[3:4] - bias[5:6]
    b, whole = flatbuffers.Builder(1 << 17), np.dtype(kind) != np.float32
    flat = SIZE * SIZE * 3
    buffers: list[bytes] = [b""]
    tensors: list[Any] = []

    def tensor(name: str, shape: list[int], dtype: Any, data: np.ndarray | None = None, quantised: float = 0) -> int:
        if data is not None:
            buffers.append(np.ascontiguousarray(data, dtype).tobytes())
        at = len(buffers) - 1 if data is not None else 0
        fields = {0: _ints(b, shape), 3: b.CreateString(name)}
        if quantised:
            zero = -128 if np.dtype(dtype) == np.int8 else 0
            scales, zeros = b.CreateNumpyVector(np.float32([quantised])), b.CreateNumpyVector(np.int64([zero]))
            fields[4] = _table(b, 7, {2: scales, 3: zeros})
        tensors.append(_table(b, 9, fields, {2: at}, {1: TYPES[np.dtype(dtype)]}))
        return len(tensors) - 1

    operators: list[Any] = []
    codes: list[int] = []

    def operator(code: int, inputs: list[int], output: int, options: tuple[int, Any] | None = None) -> int:
        codes.append(code)
        fields = {1: _ints(b, inputs), 2: _ints(b, [output]), **({4: options[1]} if options else {})}
        operators.append(_table(b, 9, fields, {0: len(codes) - 1}, {3: options[0]} if options else {}))
        return output

    current = first = tensor("images", [1, SIZE, SIZE, 3], kind, quantised=whole / 255)
    if whole:
        current = operator(DEQUANTIZE, [current], tensor("floats", [1, SIZE, SIZE, 3], np.float32))
    shape = tensor("shape", [2], np.int32, np.array([rows, flat]))
    current = operator(RESHAPE, [current, shape], tensor("flat", [1, flat], np.float32))
    if old:
        step = float(np.abs(weights).max() / 127)
        w = tensor(
            "w", [classes, flat], np.uint8, np.rint(weights / step).astype(np.int8).view(np.uint8), quantised=step
        )
    else:
        w = tensor("w", [classes, flat], np.float32, weights)
    c = tensor("b", [classes], np.float32, bias)
    current = operator(
        FULLY_CONNECTED, [current, w, c], tensor("logits", [1, classes], np.float32), (8, _table(b, 4, {}))
    )
    if custom:
        current = operator(CUSTOM, [current], tensor("theirs", [1, classes], np.float32))
    elif end == SOFTMAX:
        out = tensor("probabilities", [1, classes], np.float32)
        b.StartObject(1)
        b.PrependFloat32Slot(0, 1.0, 0.0)
        current = operator(SOFTMAX, [current], out, (_SOFTMAX_OPTIONS, b.EndObject()))
    elif end == LOGISTIC:
        current = operator(LOGISTIC, [current], tensor("p", [1, classes], np.float32))
    else:
        axis = tensor("axis", [1], np.int32, np.array([1]))
        options = _table(b, 1, {}, {}, {0: TYPES[np.dtype(np.int64)]})
        current = operator(ARG_MAX, [current, axis], tensor("label", [1], np.int64), (_ARG_MAX_OPTIONS, options))
    name = b.CreateString("theirs.Evil")
    made = [_table(b, 4, {1: name} if code == CUSTOM else {}, {3: code}, {0: code}) for code in codes]
    inputs, outputs = _ints(b, [first]), _ints(b, [current])
    graph = _table(b, 5, {0: _tables(b, tensors), 1: inputs, 2: outputs, 3: _tables(b, operators)})
    data = [_table(b, 1, {0: b.CreateByteVector(d)} if d else {}) for d in buffers]
    parts = {1: _tables(b, made), 2: _tables(b, [graph]), 4: _tables(b, data)}
    b.Finish(_table(b, 8, parts, {0: 3}), file_identifier=b"TFL3")
    return bytes(b.Output())


def _ints(b: Any, values: list[int]) -> Any:
    return b.CreateNumpyVector(np.int32(values))


def _tables(b: Any, offsets: list[Any]) -> Any:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return b.EndVector()


def _table(
    b: Any,
    size: int,
    offsets: dict[int, Any],
    numbers: dict[int, int] | None = None,
    small: dict[int, int] | None = None,
) -> Any:
    """A table of `size` fields: offsets of others, numbers of four bytes, and of one."""
    b.StartObject(size)
    for slot, value in offsets.items():
        b.PrependUOffsetTRelativeSlot(slot, value, 0)
    for slot, value in (numbers or {}).items():
        b.PrependInt32Slot(slot, value, -1)
    for slot, value in (small or {}).items():
        b.PrependInt8Slot(slot, value, -1)
    return b.EndObject()
