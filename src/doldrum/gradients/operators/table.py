"""The table of all operators by name, and the list of operators that round."""

from __future__ import annotations

from doldrum.gradients.operators import elementwise, layers, quantised, reductions, resize, shapes
from doldrum.gradients.operators.node import Operator

__all__ = ["OPERATORS", "ROUNDING"]

OPERATORS: dict[str, Operator] = {
    **elementwise.OPERATORS,
    **layers.OPERATORS,
    **quantised.OPERATORS,
    **reductions.OPERATORS,
    **resize.OPERATORS,
    **shapes.OPERATORS,
}
"""Maps the name of each supported ONNX operator to the function that computes the operator."""

ROUNDING = elementwise.ROUNDING | quantised.ROUNDING
