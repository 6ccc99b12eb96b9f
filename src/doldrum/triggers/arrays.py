"""Write arrays as JSON and read them, for triggers that contain a pattern."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError

__all__ = ["decode", "encode", "frozen_array"]


def encode(value: Any) -> Any:
    """A setting in a JSON-able form: arrays become base64 with their type and shape, and tuples become lists.

    >>> decode(encode(np.eye(2, dtype=np.float32))).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if isinstance(value, np.ndarray):
        little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        data = base64.b64encode(little.tobytes()).decode("ascii")
        return {"array": data, "dtype": str(value.dtype), "shape": list(value.shape)}
    if isinstance(value, (tuple, list)):
        return [encode(v) for v in value]
    if isinstance(value, dict):
        return {str(k): encode(v) for k, v in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def decode(value: Any) -> Any:
    """Read what :func:`encode` wrote; lists become tuples. No code is run, since arrays can only contain numbers."""
    if isinstance(value, dict) and set(value) == {"array", "dtype", "shape"}:
        dtype = np.dtype(str(value["dtype"]))
        if dtype.kind not in "biuf":
            raise InputError(f"expected an array of numbers, got dtype {dtype}; doldrum did not write this trigger")
        try:
            flat = np.frombuffer(base64.b64decode(value["array"]), dtype=dtype.newbyteorder("<"))
            return flat.reshape(value["shape"]).astype(dtype)
        except ValueError as error:
            raise InputError(
                f"expected an array of shape {value['shape']} and type {dtype}, got bytes that do not fit ({error}); the file is damaged"
            ) from error
    if isinstance(value, dict):
        return {k: decode(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(decode(v) for v in value)
    return value


def frozen_array(value: Any) -> NDArray[np.float32]:
    """A read-only float32 copy of an array, so that a trigger cannot change after its creation.

    >>> frozen_array([0.5]).flags.writeable
    False
    """
    try:
        array = np.array(value, dtype=np.float32, order="C")
    except (TypeError, ValueError) as error:
        raise InputError(
            f"expected an array of numbers, got a value of type {type(value).__name__}; {error}"
        ) from error
    array.setflags(write=False)
    return array
