"""Check an ONNX file before any runtime opens it: which files it would load, how large it would get, and which operators it uses.

Source: onnx.proto (ModelProto, GraphProto, TensorProto), ONNX IR specification, "Model semantics" and "Functions".
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from typing import Any

from doldrum.errors import InputError, check_memory_left, missing_extra
from doldrum.intake import visible
from doldrum.suspects.onnx_external import WAY_OUT, read_external

__all__ = ["checked_onnx"]

_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
_OLDEST = 7  # before it, operators broadcast in another way
_CONVERT = "convert it with onnx.version_converter.convert_version"
_MOST_BYTES = (2 << 30) - 1  # protobuf's own limit
_MOST_NODES = 200_000
_MOST_VALUES = 1 << 31  # of one tensor
_MOST_SIDE = 1 << 20  # of a declared shape


def checked_onnx(path: str | os.PathLike[str]) -> tuple[Any, bool]:
    """Read and check the ModelProto at `path`; return it with all weights inside, and whether weights were read from files next to it.

    The check covers the graph, all graphs inside nodes, and the file's own functions with the nodes that they expand to. Raises InputError for
    custom domains, training graphs, and functions that call themselves or expand too far. Also refused are external data outside the model's
    folder, tensors whose shape and bytes differ, NaN weights, opsets that are too new or too old, and models above 2 GiB.
    """
    try:
        import onnx
    except ImportError as error:
        raise missing_extra("onnx", "onnx", error) from error
    shown = visible(path)
    if os.path.getsize(path) > _MOST_BYTES:
        raise InputError(f"expected an ONNX file of at most 2 GiB, got {shown}; {WAY_OUT}")
    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except Exception as error:  # protobuf raises several unrelated types on a broken file
        check_memory_left(error)
        raise InputError(f"expected an ONNX file, got {shown}, which is cut off or broken; fetch it again") from error
    newest = onnx.defs.onnx_opset_version()
    outside = _Check(model, shown, newest).run(path)
    return model, outside


class _Check:
    def __init__(self, model: Any, shown: str, newest: int) -> None:
        self.model, self.shown, self.newest = model, shown, newest

    def bad(self, what: str, advice: str) -> InputError:
        return InputError(f"expected a plain ONNX model, got a model with {what} in {self.shown}; {advice}")

    def run(self, path: str | os.PathLike[str]) -> bool:
        model = self.model
        opsets = {o.domain: o.version for o in model.opset_import}
        version = opsets.get("", opsets.get("ai.onnx"))
        if version is None or not _OLDEST <= version <= self.newest:
            raise self.bad(
                f"opset {version}", f"export the model with an opset from {_OLDEST} to {self.newest}, or {_CONVERT}"
            )
        if len(model.training_info):
            raise self.bad("graphs for training", "export it for inference")
        if any(isinstance(text, bytes) for text in _texts(model)):  # what protobuf gives for text that is no UTF-8
            raise self.bad("a name that is no text", "the file is broken: fetch it again")
        own = self._functions()
        graphs = [model.graph, *model.functions]
        for body in graphs:
            for node in _nodes(body):
                if node.domain not in _DOMAINS and (node.domain, node.op_type) not in own:
                    name = f"'{visible(node.domain, most=60)}' (operator '{visible(node.op_type, most=60)}')"
                    advice = "the operators of this domain are external code: export the model without these operators"
                    if node.domain == "com.microsoft":
                        advice = "the operators of this domain work only in ONNX Runtime: quantise the model with QuantFormat.QDQ, or save the model before it is optimised"
                    raise self.bad(f"the custom domain {name}", advice)
        room = _MOST_BYTES - model.ByteSize() - (1 << 20)  # for what is put around the graph
        outside = read_external(_tensors(graphs), path, widths=_WIDTHS, most=room, shown=self.shown)
        for tensor in _tensors(graphs):
            self._tensor(tensor)
        for value in [*model.graph.input, *model.graph.output]:
            dims = [d.dim_value for d in value.type.tensor_type.shape.dim]
            dims = [max(d, 0) for d in dims]  # some exporters write -1 for an open size
            if any(d > _MOST_SIDE for d in dims) or math.prod(d or 1 for d in dims) > _MOST_VALUES:
                raise self.bad(
                    f"the shape {dims} for '{visible(value.name, most=60)}'", "no images and no scores have this shape"
                )
        return outside

    def _functions(self) -> set[tuple[str, str]]:
        """Return the names of the functions that the file defines. Raise InputError if the graph and these functions
        expand to too many nodes: a few functions can expand to 2^60 nodes."""
        bodies = {(f.domain, f.name): f for f in self.model.functions}
        sizes: dict[tuple[str, str], int] = {}
        active: set[tuple[str, str]] = set()

        def size(body: Any, depth: int) -> int:
            total = 0
            for node in _nodes(body):
                key = (node.domain, node.op_type)
                total += 1
                if key in bodies:
                    if depth > 50:
                        raise self.bad(
                            "functions nested more than 50 levels deep", "no image classifier has such functions"
                        )
                    if key in active:
                        raise self.bad(
                            f"the function '{visible(key[1], most=60)}', which calls itself", "do not trust it"
                        )
                    if key not in sizes:
                        active.add(key)
                        sizes[key] = size(bodies[key], depth + 1)
                        active.discard(key)
                    total += sizes[key]
                if total > _MOST_NODES:
                    raise self.bad(f"more than {_MOST_NODES} nodes", "no image classifier has so many nodes")
            return total

        size(self.model.graph, 0)
        for key, body in bodies.items():
            if key not in sizes:
                active.add(key)
                sizes[key] = size(body, 0)
                active.discard(key)
        return set(bodies)

    def _tensor(self, tensor: Any) -> None:
        name = visible(tensor.name, most=60)
        count = math.prod(tensor.dims) if all(d >= 0 for d in tensor.dims) else -1
        width = _WIDTHS.get(tensor.data_type)
        shape = f"the tensor '{name}' of shape {visible(str(list(tensor.dims)), most=60)}"
        if not 0 <= count <= _MOST_VALUES:
            raise self.bad(shape, "no weight has such a shape")
        if width is not None and tensor.HasField("raw_data"):
            if len(tensor.raw_data) != math.ceil(count * width):
                raise self.bad(f"{shape} with {len(tensor.raw_data)} bytes", "the file is broken")
        elif count > 8 * max(tensor.ByteSize(), 1):
            raise self.bad(f"{shape} with {tensor.ByteSize()} bytes", "the file is broken")
        if tensor.data_type in _FLOATS:
            self._no_nan(tensor, name, shape)

    def _no_nan(self, tensor: Any, name: str, shape: str) -> None:
        import numpy as np
        from onnx import numpy_helper

        try:
            values = numpy_helper.to_array(tensor)
        except Exception as error:  # a broken tensor raises several unrelated types
            check_memory_left(error)
            raise self.bad(f"{shape} that can't be read", "the file is broken") from error
        if np.isnan(values).any():  # infinities are usual in attention masks
            raise self.bad(f"NaN in the weights '{name}'", "the model is broken")


# Bytes a value by TensorProto.DataType, and which of them are floats numpy knows.
_WIDTHS = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2, 17: 1, 18: 1,
           19: 1, 20: 1, 21: 0.5, 22: 0.5}  # fmt: skip
_FLOATS = {1, 10, 11}


def _bodies(bodies: Iterable[Any]) -> Iterator[Any]:
    """Yield the given graphs and functions, and all graphs that are nested inside their nodes. The format (Protobuf)
    limits how deep graphs can be nested."""
    left = list(bodies)
    while left:
        body = left.pop()
        yield body
        for attribute in (a for node in body.node for a in node.attribute):
            if attribute.HasField("g"):
                left.append(attribute.g)
            left.extend(attribute.graphs)


def _nodes(body: Any) -> Iterator[Any]:
    """Yield all nodes of a graph or function, and all nodes of graphs that are nested inside these nodes."""
    for one in _bodies([body]):
        yield from one.node


def _texts(model: Any) -> Iterator[Any]:
    """Yield all names that a runtime uses, or shows in its messages."""
    yield from (opset.domain for opset in model.opset_import)
    for body in _bodies([model.graph, *model.functions]):
        yield body.name
        values = [*body.input, *body.output, *getattr(body, "value_info", ())]
        for value in values:
            if isinstance(value, (str, bytes)):  # a function's
                yield value
            else:
                yield value.name
                yield from (d.dim_param for d in value.type.tensor_type.shape.dim)
        for node in body.node:
            yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
            yield from (attribute.name for attribute in node.attribute)
    yield from (tensor.name for tensor in _tensors([model.graph, *model.functions]))


def _tensors(bodies: list[Any]) -> Iterator[Any]:
    """Yield all tensors: the initialisers of every graph, and the attributes of every node."""
    for body in _bodies(bodies):
        yield from getattr(body, "initializer", ())
        for sparse in getattr(body, "sparse_initializer", ()):
            yield sparse.values
            yield sparse.indices
        for attribute in (a for node in body.node for a in node.attribute):
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for sparse in [attribute.sparse_tensor, *attribute.sparse_tensors]:
                yield sparse.values
                yield sparse.indices
