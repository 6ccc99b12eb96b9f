"""A Classifier made from a Python function. The function returns scores or labels for a batch of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier, Outputs
from doldrum.classifiers.outputs import answer_of
from doldrum.errors import InputError

__all__ = ["FunctionClassifier"]


class FunctionClassifier(Classifier):
    """Wraps a function that takes float32 images (B, C, H, W) in [0, 1], and returns scores (B, K) or labels (B,).

    The function may return arrays, tensors, lists, or objects that contain them (:mod:`doldrum.classifiers.outputs`).
    The function gets a copy of the images, which it may change. In a measurement, all batches have the same number of
    images.

    >>> clf = FunctionClassifier(lambda x: (x.mean(axis=(1, 2, 3)) > 0.5).astype(int),
    ...                          input_shape=(1, 2, 2), num_classes=2, outputs="labels")
    >>> clf(np.ones((3, 1, 2, 2), dtype=np.float32)).tolist()
    [1, 1, 1]
    """

    def __init__(
        self,
        function: Callable[[NDArray[np.float32]], Any],
        *,
        input_shape: tuple[int, int, int],
        num_classes: int,
        outputs: Outputs = "logits",
    ) -> None:
        super().__init__(input_shape=input_shape, num_classes=num_classes, outputs=outputs)
        if not callable(function):
            raise InputError(f"expected a function that takes a batch of images, got {type(function).__name__}")
        self.function = function

    def forward(self, images: NDArray[np.float32]) -> Any:
        returned = self.function(np.array(images, dtype=np.float32, order="C"))
        return answer_of(returned, rows=len(images), num_classes=self.num_classes, outputs=self.outputs)

    @property
    def fingerprint(self) -> str:
        """The function's name, since doldrum cannot see what the function computes."""
        name = getattr(self.function, "__qualname__", type(self.function).__qualname__)
        return f"function:{getattr(self.function, '__module__', '?')}.{name}"
