"""Suspect and Preprocessing: the result of opening somebody else's model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np

from doldrum.checks import whole_number
from doldrum.classifiers.base import Classifier
from doldrum.errors import ClassifierError, InputError, check_memory_left
from doldrum.intake import visible

__all__ = ["Preprocessing", "Suspect", "class_names_of", "tried"]

_MOST_CLASSES = 32767


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How images become a model's input. Images x in [0, 1] are resized to `size`, their channels are put into the
    model's order, and then (scale * x - mean) / std is computed.

    Parameters
    ----------
    size : (height, width)
        The height and width of the model's images, or one number if both are equal.
    mean, std : one number, or one per channel, in the model's channel order
        The mean and standard deviation, in units of the scaled pixel. If the numbers of all channels are equal, only
        one number is stored.
    channels : "rgb", "bgr" or "grey"
        The model's channels and their order; "grey" is one channel.
    scale : float
        255 for a model that takes pixels from 0 to 255. A model that takes pixels from -1 to 1 has mean and std 0.5.

    Raises InputError for a size outside 1 to 4096, for a mean, std or scale that is not finite, and for a std or scale that is not positive.

    Examples
    --------
    >>> Preprocessing(size=224, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)).input_shape
    (3, 224, 224)
    >>> Preprocessing(size=224, mean=(104, 117, 123), channels="bgr", scale=255).normalises
    True
    """

    size: tuple[int, int]
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    channels: Literal["rgb", "bgr", "grey"] = "rgb"
    scale: float = 1.0

    def __post_init__(self) -> None:
        size: Any = self.size
        sizes = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
        if len(sizes) != 2:
            raise InputError(f"expected a size (height, width), got {visible(repr(size))}; e.g. (224, 224)")
        whole = tuple(whole_number(s, "each size", least=1, most=4096, hint="e.g. (224, 224)") for s in sizes)
        if self.channels not in ("rgb", "bgr", "grey"):
            raise InputError(f"expected channels 'rgb', 'bgr' or 'grey', got {visible(repr(self.channels))}; pick one")
        object.__setattr__(self, "size", whole)
        object.__setattr__(self, "mean", self._values("mean", self.mean))
        object.__setattr__(self, "std", self._values("std", self.std))
        if min(self.std) <= 0:
            raise InputError(f"expected a positive std, got {self.std}; pass the std that the model was trained with")
        scale: Any = self.scale
        if isinstance(scale, bool) or not isinstance(scale, (int, float)) or not 0 < scale < math.inf:
            raise InputError(
                f"expected a positive scale, got {visible(repr(scale))}; pass 255 for a model that takes pixels from 0 to 255"
            )
        object.__setattr__(self, "scale", float(scale))

    def _values(self, name: str, given: Any) -> tuple[float, ...]:
        values = given if isinstance(given, (tuple, list)) else (given,)
        count = self.input_shape[0]
        fine = all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in values)
        if not fine or len(values) not in (1, count):
            raise InputError(
                f"expected {name} to be one number or {count} numbers (one per channel), got {visible(repr(given))}; pass one number per channel"
            )
        found = tuple(float(v) for v in values)
        return found[:1] if len(set(found)) == 1 else found  # so that what is the same preprocessing is equal

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape (C, H, W) of images for the classifier. The classifier takes colour images as RGB, even if the
        model takes BGR."""
        return (1 if self.channels == "grey" else 3, self.size[0], self.size[1])

    @property
    def normalises(self) -> bool:
        """Whether images must be scaled, normalised or changed to BGR after resizing."""
        values = (*self.mean, self.scale - 1, *(s - 1 for s in self.std))
        return any(v != 0 for v in values) or self.channels == "bgr"


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """Somebody else's model, opened and ready to use.

    `classifier` takes float32 (B, C, H, W) in [0, 1], RGB or grey, of `preprocessing.input_shape`, and normalises them
    itself. `format` is "onnx", "openvino", "tflite", "safetensors", "state dict", "huggingface", "torchscript", "pt2",
    "pickle", "skops" or "endpoint". `class_names` are the names in the model's files, with control characters escaped,
    or None. `notes` are sentences about what was assumed or left out when the model was opened.
    """

    classifier: Classifier
    format: str
    preprocessing: Preprocessing
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = field(default=())

    def close(self) -> None:
        """End the process in which the model runs, if there is one. The process also ends at the end of a `with` block, or when the object is deleted."""
        self.classifier.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def class_names_of(found: Any, count: int | None) -> tuple[str, ...] | None:
    """Read class names from a list, or from a mapping from class number to name; None unless there is one name for each class.

    >>> class_names_of({"1": "dog", "0": "cat"}, 2)
    ('cat', 'dog')
    """
    if isinstance(found, dict):
        if not 2 <= len(found) <= _MOST_CLASSES:
            return None
        numbered = {str(key): name for key, name in found.items()}
        found = [numbered.get(str(i)) for i in range(len(found))]
    if not isinstance(found, (list, tuple)) or not 2 <= len(found) <= _MOST_CLASSES:
        return None
    if (count is not None and len(found) != count) or not all(isinstance(name, (str, int)) for name in found):
        return None
    return tuple(visible(str(name), most=80) for name in found)


def tried(classifier: Classifier, *, path: str) -> Classifier:
    """Return the classifier, after a test run on a black image and a grey image.

    Raises ClassifierError if the classifier fails, returns an output of a wrong shape, or returns scores that are not finite.
    """
    images = np.zeros((2, *classifier.input_shape), np.float32)
    images[1] = 0.5
    try:
        out = classifier(images)
    except (InputError, ClassifierError):
        raise
    except Exception as error:  # each runtime has exceptions of its own
        check_memory_left(error)
        why = visible(str(error), most=300)
        raise ClassifierError(f"expected {path} to run on a plain image, got {why}; check the model") from error
    if not np.isfinite(out).all():
        raise ClassifierError(
            f"expected finite scores for a plain image, got NaN or infinity from {path}; the model is broken"
        )
    return classifier
