"""Classifier: the interface of models that map images to classes. All other parts of doldrum rely on this interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import whole_number
from doldrum.errors import ClassifierError, InputError

__all__ = [
    "INVALID_LABEL",
    "Classifier",
    "Outputs",
    "as_array",
    "checked_classes",
    "checked_shape",
    "fixed_batches",
    "labels_of",
]

Outputs = Literal["logits", "probabilities", "labels"]
INVALID_LABEL = -1


class Classifier(ABC):
    """A model that takes images and returns scores or labels.

    Call the classifier with float32 NCHW images in [0, 1], of `input_shape` (C, H, W). The classifier returns float32
    `(B, num_classes)` logits or probabilities, or int64 `(B,)` labels, as `outputs` says. Any normalisation (mean, std)
    belongs to the classifier.

    A subclass defines the method `forward`. `__call__` checks the images and the output.
    """

    costly: ClassVar[bool] = False
    """Whether each query may cost money. If queries cost money, engines are checked on a few images instead of
    hundreds."""

    no_gradients: ClassVar[tuple[str, str]] = (
        "a model that gives scores or labels, but no gradients",
        "give a torch module or an ONNX file, or use methods that need only scores or labels",
    )
    """Two texts for the error message of a classifier without gradients: what the model is, and what to do. Only torch
    modules and ONNX files have gradients (:mod:`doldrum.gradients`)."""

    notes: tuple[str, ...] = ()
    """Unexpected facts that influence the model's answers, such as pixels rounded to bytes. A measurement records
    them."""

    def __init__(self, *, input_shape: tuple[int, int, int], num_classes: int, outputs: Outputs = "logits") -> None:
        if outputs not in ("logits", "probabilities", "labels"):
            raise InputError(f"expected outputs 'logits', 'probabilities' or 'labels', got {outputs!r}; pick one")
        self.input_shape = checked_shape(input_shape)
        self.num_classes = checked_classes(num_classes)
        self.outputs: Outputs = outputs

    @property
    def queries_left(self) -> int | None:
        """The number of images that may still be sent to the model, or None for a model without a limit."""
        return None

    @abstractmethod
    def forward(self, images: NDArray[np.float32]) -> Any:
        """Compute the scores or labels of a batch. The caller has already checked `images`."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of everything that determines the answers (weights and structure), or a name if weights and structure
        cannot be read."""

    def __call__(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Return scores `(B, K)` or labels `(B,)` of images `(B, C, H, W)`. Scores may be NaN, but labels must be class
        numbers."""
        wanted = f"images of shape (B, {', '.join(map(str, self.input_shape))})"
        try:
            array = np.asarray(images)
        except (TypeError, ValueError, RuntimeError) as error:  # lists of other lengths; sparse tensors
            raise InputError(
                f"expected {wanted}, got a {type(images).__name__} that cannot be converted to an array ({error}); pass an array"
            ) from error
        if array.dtype.kind not in "fiub":
            raise InputError(
                f"expected {wanted}, got a {type(images).__name__} with values of type {array.dtype}; pass an array of floats"
            )
        if array.ndim != 4 or array.shape[1:] != self.input_shape:
            raise InputError(
                f"expected {wanted}, got an array of shape {array.shape}; add the missing axes, resize or convert the images"
            )
        images = array
        return self.check_output(self.forward(images.astype(np.float32, copy=False)), len(images))

    def check_output(self, out: Any, batch: int) -> NDArray[Any]:
        """Check the shape and type of a model's output, and the range of labels. Every engine calls this method."""
        out = as_array(out)
        expected = (batch,) if self.outputs == "labels" else (batch, self.num_classes)
        if out.shape != expected:
            raise ClassifierError(
                f"expected {self.outputs} of shape {expected} from the model, got shape {out.shape}; check num_classes= and outputs="
            )
        if self.outputs == "labels":
            if out.dtype.kind not in "biuf":
                raise ClassifierError(f"expected class numbers as labels, got {out.dtype}; return integers from 0 up")
            if out.dtype.kind == "f" and not np.isfinite(out).all():
                raise ClassifierError("expected a label for every image, got NaN or infinities; return class numbers")
            if out.dtype.kind == "f" and not np.all(out == np.floor(out)):
                raise ClassifierError("expected whole-numbered labels, got fractions; pass outputs='logits' for scores")
            if out.size and (out.min() < 0 or out.max() >= self.num_classes):
                raise ClassifierError(
                    f"expected labels in [0, {self.num_classes}), got labels from {out.min()} to {out.max()}; check num_classes="
                )
            return out.astype(np.int64, copy=False)
        if out.dtype.kind not in "fiu":
            raise ClassifierError(f"expected numeric scores, got {out.dtype}; return floats")
        return out.astype(np.float32, copy=False)

    def check_state(self) -> None:  # noqa: B027  (most classifiers have no such state)
        """Raise an error if the model is in a state in which its answers are random or unstable, such as training mode.
        A subclass overrides this method if its models can be in such a state."""

    def close(self) -> None:  # noqa: B027  (most classifiers hold nothing)
        """Release resources other than memory, such as a process. Override this method if the class holds resources
        that need to be released."""


def fixed_batches(images: NDArray[Any], size: int | None) -> Iterator[tuple[NDArray[Any], int]]:
    """Split images into batches of `size` images (one batch if `size` is None). Yield each batch with its number of
    real images. The last batch is filled up with copies of its last image.

    >>> [(batch.tolist(), count) for batch, count in fixed_batches(np.arange(3), 2)]
    [([0, 1], 2), ([2, 2], 1)]
    """
    size = size or max(len(images), 1)
    for start in range(0, len(images), size):
        part = images[start : start + size]
        yield np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)]), len(part)


def checked_shape(input_shape: Any) -> tuple[int, int, int]:
    """Return (channels, height, width) as ints. Raises InputError if `input_shape` is not three whole numbers of at
    least 1."""
    shape: tuple[Any, ...] = (
        tuple(cast("Iterable[Any]", input_shape)) if isinstance(input_shape, (tuple, list, np.ndarray)) else ()
    )
    if len(shape) != 3:
        raise InputError(f"expected input_shape= as (channels, height, width), got {input_shape!r}; e.g. (1, 28, 28)")
    c, h, w = (whole_number(s, "each size in input_shape=", least=1, hint="e.g. (1, 28, 28)") for s in shape)
    return c, h, w


def checked_classes(num_classes: Any) -> int:
    """Return the number of classes as an int, small enough for int16 labels. Raises InputError if `num_classes` is not
    a whole number from 2 to 32,767."""
    most = int(np.iinfo(np.int16).max)
    return whole_number(num_classes, "num_classes=", least=2, most=most, hint="pass the model's number of classes")


def as_array(output: Any) -> NDArray[Any]:
    """Convert a model's output to an array. The output may be a list or a tensor (with gradients, on a GPU, of any
    precision).

    Raises ClassifierError if the output is not an array of numbers or strings, but for example None, a mapping, or rows
    of different lengths.

    >>> as_array([[0.1, 0.9], [0.5, 0.5]]).shape
    (2, 2)
    """
    found = type(output).__name__
    if hasattr(output, "detach"):
        output = output.detach().cpu()
        output = output.float() if output.is_floating_point() else output
    try:
        array = np.asarray(output)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ClassifierError(
            f"expected one row of scores, or one label, per image from the model, got {found} ({error})"
        ) from error
    if array.dtype.kind == "O":
        raise ClassifierError(
            f"expected an array of scores or labels from the model, got {found}; return only this array"
        )
    return array


def labels_of(output: NDArray[Any]) -> NDArray[np.int16]:
    """Convert a classifier's output to labels (B,). The label of an image is the class with the highest score. If
    several classes share the highest score, the label is the lowest of their class numbers.

    Rows with NaN or an infinity become -1, since a model that overflows has not answered.

    >>> labels_of(np.array([[0.1, 0.9], [np.nan, 0.2], [0.5, 0.5]], dtype=np.float32)).tolist()
    [1, -1, 0]
    """
    if output.ndim == 1:
        return output.astype(np.int16)
    labels = output.argmax(axis=1).astype(np.int16)
    # A sum is NaN or infinite if any entry is (or it overflows, which float64 rules out): one cheap pass.
    finite = np.isfinite(output.sum(axis=1, dtype=np.float64))
    if not finite.all():
        labels[~finite] = INVALID_LABEL
    return labels
