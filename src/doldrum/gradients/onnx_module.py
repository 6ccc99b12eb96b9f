"""Run an ONNX graph as a torch module. Torch runs the graph's nodes one after another, so that autograd can compute
gradients."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from doldrum.errors import ClassifierError, check_memory_left
from doldrum.gradients.onnx_nodes import Body, read_graph, reads
from doldrum.gradients.onnx_weights import Layer, layers_of
from doldrum.gradients.operators.node import Node
from doldrum.gradients.operators.table import OPERATORS, ROUNDING
from doldrum.intake import visible

__all__ = ["OnnxModule"]

_PASSING = {"Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Cast"}


class OnnxModule(nn.Module):
    """A torch module that runs an ONNX file. The module maps images (B, C, H, W) to the file's output with the name
    `output`. All floats are fp32. If `trainable` is true, the weights are parameters of the module; otherwise they are
    buffers.

    Attributes
    ----------
    is_log : whether the module returns logarithms: true if `log` is true and the graph ends in a softmax
    rounds : whether the graph rounds values that depend on the images; gradients ignore this rounding
    was_half : whether the weights in the file are in half precision
    layers : the layers with trainable weights; empty if `trainable` is false
    watch : the name of a value in the graph, which each forward pass gives to the function `seen`; "" for no value

    Raises ClassifierError for an operator that is not in `operators/table.py`.
    """

    def __init__(self, path: Path, *, output: str, log: bool = False, trainable: bool = False) -> None:
        super().__init__()
        body, self.input, self.batch, self.was_half = read_graph(path, output)
        self.output = output
        self.is_log = False
        if log:
            body, self.is_log = _with_log_softmax(body)
        self.layers: tuple[Layer, ...] = tuple(layers_of(body)) if trainable else ()
        held = self._held()
        self.watch = ""
        self.seen: Callable[[torch.Tensor], None] = _unseen
        nodes, values = _folded(body, held)
        self.rounds = any(node.depends and node.op in ROUNDING for node in _every(nodes))
        last = {name: i for i, node in enumerate(nodes) for name in reads(node)}
        done = [
            tuple(n for n, where in last.items() if where == i and n != output and n not in values)
            for i in range(len(nodes))
        ]
        self.steps = tuple(zip(nodes, done, strict=True))
        self.names: dict[str, str] = {}
        for i, name in enumerate(n for n in values if n in last or n == output):
            self.names[name] = f"constant_{i}"
            if name in held:
                self.register_parameter(self.names[name], nn.Parameter(values[name]))
            else:
                self.register_buffer(self.names[name], values[name], persistent=False)
        self.training = False

    def weights(self) -> dict[str, nn.Parameter]:
        """Return a dictionary from the names of the weights in the ONNX file to the module's parameters."""
        return {name: getattr(self, self.names[name]) for name in self._held()}

    def _held(self) -> list[str]:
        """The names of the weights, each once, in the order of the layers. If a training run continues in another
        process, the order of the weights must be the same as before."""
        return list(dict.fromkeys(name for layer in self.layers for name in layer.weights))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.batch is None or len(images) == self.batch:
            return self._run(images)
        parts = []
        for part in images.split(self.batch):
            more = part[-1:].expand(self.batch - len(part), *part.shape[1:])
            parts.append(self._run(torch.cat([part, more]))[: len(part)])
        return torch.cat(parts)

    def _run(self, images: torch.Tensor) -> torch.Tensor:
        values: dict[str, Any] = {name: getattr(self, place) for name, place in self.names.items()}
        values[self.input] = images
        for node, done in self.steps:
            _run_node(node, values)
            if self.watch in node.outputs:
                self.seen(values[self.watch])
            for name in done:  # so that what the gradient doesn't need goes
                values.pop(name, None)
        return values[self.output]


def _run_node(node: Node, values: dict[str, Any]) -> None:
    """Run one node of the ONNX graph, and add the node's outputs to `values`."""
    if node.op == "If":
        body = node.bodies[0 if bool(values[node.inputs[0]]) else 1]
        inner = {**values, **body.constants}
        for one in body.nodes:
            _run_node(one, inner)
        values.update(zip(node.outputs, (inner[name] for name in body.outputs), strict=True))
        return
    try:
        found = OPERATORS[node.op](node, *(values[name] if name else None for name in node.inputs))
    except ClassifierError:
        raise
    except Exception as error:  # torch raises several unrelated types
        check_memory_left(error)
        why = str(error).partition("\n")[0] or type(error).__name__
        raise ClassifierError(
            f"expected an ONNX graph whose nodes torch can run for gradients, got '{visible(node.op, most=60)}' that fails "
            f"({visible(why, most=200)}); use methods that need only scores"
        ) from error
    for name, value in zip(node.outputs, found if isinstance(found, tuple) else (found,), strict=False):
        values[name] = value


def _unseen(value: torch.Tensor) -> None:
    """Do nothing with `value`. The function `_unseen` is the default value of the attribute `OnnxModule.seen`."""


def _folded(body: Body, held: Collection[str]) -> tuple[list[Node], dict[str, torch.Tensor]]:
    """Compute all values that depend neither on the images nor on the weights named in `held`. Return the computed
    values, and the nodes that must still run in each forward pass."""
    values: dict[str, Any] = {name: value for name, value in body.constants.items() if name not in held}
    left: list[Node] = []
    with torch.no_grad():
        for node in body.nodes:
            if all(name in values for name in reads(node)) and not node.bodies:
                _run_node(node, values)
            else:
                left.append(node)
    values |= {name: body.constants[name] for name in held}
    return left, {name: value for name, value in values.items() if value is not None}


def _with_log_softmax(body: Body) -> tuple[Body, bool]:
    """Replace the softmax at the end of a graph by its logarithm, if no other node uses the softmax. The second result
    says whether a softmax was replaced."""
    makers = {name: i for i, node in enumerate(body.nodes) for name in node.outputs}
    readers = _readers(body)
    name = body.outputs[0]
    while (i := makers.get(name)) is not None:
        node = body.nodes[i]
        if node.op in ("Softmax", "LogSoftmax"):
            nodes = list(body.nodes)
            nodes[i] = replace(node, op="LogSoftmax")
            return replace(body, nodes=tuple(nodes)), node.op == "Softmax"
        if node.op not in _PASSING or readers.get(node.inputs[0], 0) != 1:
            break
        name = node.inputs[0]
    return body, False


def _readers(body: Body) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for node in body.nodes:
        for name in reads(node):
            found[name] = found.get(name, 0) + 1
    return found


def _every(nodes: Any) -> Any:
    for node in nodes:
        yield node
        for body in node.bodies:
            yield from _every(body.nodes)
