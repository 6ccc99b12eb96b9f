"""Parts of a demo record: images, curves, summaries, examples."""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.checks import is_kind
from doldrum.errors import InputError
from doldrum.records.base import Record
from doldrum.records.checks import check_order, numbers, pair, positive, sequence, share, whole

__all__ = ["COMBINATIONS", "INPUTS", "MODELS", "Curve", "Example", "ModelSummary", "Pixels"]

MODELS = ("clean", "backdoored")
INPUTS = ("clean", "triggered")
COMBINATIONS = tuple((model, inputs) for model in MODELS for inputs in INPUTS)
"""The four pairs (model, inputs), in the order in which they are shown."""


@dataclass(frozen=True)
class Pixels(Record):
    """A uint8 array, stored as base64 of its bytes in C order.

    >>> p = Pixels.of([[0.0, 0.5], [1.0, 2.0]])
    >>> p.array().tolist()
    [[0, 128], [255, 255]]
    """

    shape: tuple[int, ...]
    data: str

    def __post_init__(self) -> None:
        shape = tuple(whole(s, "shape") for s in sequence(self.shape, "shape"))
        try:
            size = len(base64.b64decode(self.data, validate=True))
        except (binascii.Error, TypeError, ValueError) as error:
            raise InputError(f"expected pixels in base64, got {error}; use Pixels.of(array)") from error
        if size != math.prod(shape):
            raise InputError(f"expected {math.prod(shape)} bytes for shape {shape}, got {size}; use Pixels.of(array)")
        object.__setattr__(self, "shape", shape)

    @classmethod
    def of(cls, array: ArrayLike) -> Self:
        """The pixels of an array. uint8 values are kept; floats are clipped to [0, 1] and rounded to 255 steps."""
        values = np.asarray(array)
        if values.dtype != np.uint8:
            floats = values.astype(np.float64)
            if not np.isfinite(floats).all():
                raise InputError("expected finite pixels, got NaN or infinity; check the images")
            values = np.rint(np.clip(floats, 0.0, 1.0) * 255).astype(np.uint8)
        return cls(values.shape, base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii"))

    def array(self) -> NDArray[np.uint8]:
        """The array, read-only."""
        return np.frombuffer(base64.b64decode(self.data), dtype=np.uint8).reshape(self.shape)


@dataclass(frozen=True)
class Curve(Record):
    """Mean W at each noise strength, for one model and one kind of inputs, with a confidence band.

    >>> Curve("clean", "triggered", strengths=[0.1], mean=[0.2], lower=[0.1], upper=[0.3]).key
    'clean/triggered'
    """

    model: str
    inputs: str
    strengths: tuple[float, ...]
    mean: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_pair(self.model, self.inputs)
        for name in ("strengths", "mean", "lower", "upper"):
            object.__setattr__(self, name, numbers(getattr(self, name), name))
        sizes = {len(self.strengths), len(self.mean), len(self.lower), len(self.upper)}
        if len(sizes) != 1 or not self.strengths:
            raise InputError(
                f"expected one mean, lower and upper limit per strength, got lengths {sorted(sizes)}; give lists of equal length"
            )
        if min(self.strengths) <= 0 or any(a >= b for a, b in zip(self.strengths, self.strengths[1:], strict=False)):
            raise InputError(f"expected positive strengths in rising order, got {self.strengths}; sort them")
        for low, high in zip(self.lower, self.upper, strict=True):
            check_order(low, high, "band")

    @property
    def key(self) -> str:
        """'model/inputs'."""
        return f"{self.model}/{self.inputs}"


@dataclass(frozen=True)
class ModelSummary(Record):
    """The results of one model: accuracy, attack success, and W at `sigma_half` without and with the trigger.

    `w_change` is the mean, over inputs, of W with the trigger minus W without it, in [-1, 1]. The confidence limits of `w_change`
    take into account that the same noise draws are used without and with the trigger.
    """

    name: str
    clean_accuracy: float
    clean_accuracy_ci: tuple[float, float]
    asr: float
    asr_ci: tuple[float, float]
    sigma_half: float
    w_clean: float
    w_clean_ci: tuple[float, float]
    w_triggered: float
    w_triggered_ci: tuple[float, float]
    w_change: float
    w_change_ci: tuple[float, float]
    n_inputs: int
    draws: int

    def __post_init__(self) -> None:
        if self.name not in MODELS:
            raise InputError(f"expected a model name among {MODELS}, got {self.name!r}; use one of them")
        for name in ("clean_accuracy", "asr", "w_clean", "w_triggered"):
            object.__setattr__(self, name, share(getattr(self, name), name))
            low, high = pair(getattr(self, f"{name}_ci"), f"{name}_ci")
            object.__setattr__(self, f"{name}_ci", (low, high))
        limits = numbers(self.w_change_ci, "w_change_ci")
        if len(limits) != 2 or not -1 <= limits[0] <= limits[1] <= 1 or not -1 <= self.w_change <= 1:
            raise InputError(
                f"expected w_change and its limits in [-1, 1], got {self.w_change}, {limits}; pass (low, high)"
            )
        object.__setattr__(self, "w_change", float(self.w_change))
        object.__setattr__(self, "w_change_ci", limits)
        object.__setattr__(self, "sigma_half", positive(self.sigma_half, "sigma_half"))
        for name in ("n_inputs", "draws"):
            object.__setattr__(self, name, whole(getattr(self, name), name, least=1))


@dataclass(frozen=True)
class Example(Record):
    """One input, a few noisy copies of it, and the labels that the model predicts for them.

    `image` is (C, H, W). `noisy` is (M, C, H, W), clipped for display. `labels` holds M class numbers (-1 means no valid label).
    `base_label` is the predicted label of `image` without noise. `w` is W of the image at `sigma`, from all noisy copies.
    """

    model: str
    inputs: str
    true_class: int
    sigma: float
    image: Pixels
    noisy: Pixels
    labels: tuple[int, ...]
    base_label: int
    w: float

    _nested: ClassVar = {"image": (Pixels, False), "noisy": (Pixels, False)}

    def __post_init__(self) -> None:
        _check_pair(self.model, self.inputs)
        labels = tuple(whole(c, "labels", least=-1) for c in sequence(self.labels, "labels"))
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "true_class", whole(self.true_class, "true_class"))
        object.__setattr__(self, "base_label", whole(self.base_label, "base_label", least=-1))
        object.__setattr__(self, "sigma", positive(self.sigma, "sigma"))
        object.__setattr__(self, "w", share(self.w, "w"))
        if not is_kind(self.image, Pixels) or not is_kind(self.noisy, Pixels):
            raise InputError("expected image and noisy as Pixels, got something else; use Pixels.of(array)")
        shape, copies = self.image.shape, self.noisy.shape
        if len(shape) != 3 or shape[0] not in (1, 3) or 0 in shape:
            raise InputError(f"expected an image of shape (1 or 3, H, W), got {shape}; pass channels first")
        if copies != (len(labels), *shape):
            raise InputError(
                f"expected noisy copies of shape {(len(labels), *shape)}, got shape {copies}; pass one copy per label"
            )


def _check_pair(model: str, inputs: str) -> None:
    if model not in MODELS or inputs not in INPUTS:
        raise InputError(
            f"expected a model among {MODELS} and inputs among {INPUTS}, got the model {model!r} and the inputs {inputs!r}; fix the names"
        )
