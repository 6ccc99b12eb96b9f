"""Trigger: the base class of all triggers. A trigger is a map from images to images."""

from __future__ import annotations

import dataclasses
import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast, final

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.pixels import to_float
from doldrum.triggers.arrays import decode, encode
from doldrum.triggers.plain import check_plain_settings

__all__ = ["Composed", "Images", "Trigger", "trigger_from_dict", "trigger_names"]

Images = NDArray[np.float32]
_REGISTRY: dict[str, type[Trigger]] = {}


class Trigger(ABC):
    """A map from images to images. A Trigger can be a backdoor trigger, an adversarial pattern or a harmless sticker.

    A subclass is a frozen dataclass whose fields are its settings. A subclass defines its `name` and the method
    `apply`. If a field is the strength of the trigger, the subclass names this field. The base class checks the inputs,
    clips the outputs, composes triggers (`a | b` is a, then b), writes and reads JSON, and plots.

    Every trigger keeps pixel values in [0, 1]. The input array is never changed, and the output is float32 of the same
    shape. An image's result depends only on the image and the settings, not on its batch.

    In some attacks, the trigger in training images differs from the trigger in test images: for example, it is noisy,
    or only half of the trigger is used. `in_training` adds the form of the trigger for poisoned samples. `as_cover`
    adds the form of the trigger for cover samples, which keep their labels. By default, training and test images get
    the same form of the trigger. In `in_training` and `as_cover`, random values depend only on the seed and on the
    sample's row in the training set.
    """

    name: ClassVar[str] = ""
    strength_setting: ClassVar[str | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not inspect.isabstract(cls) and cls.name:
            _REGISTRY[cls.name] = cls

    def __post_init__(self) -> None:
        """Check the types of the settings. A subclass with more checks calls this method first."""
        check_plain_settings(self)

    @abstractmethod
    def apply(self, images: Images) -> Images:
        """Add the trigger to images.

        `images` is a checked float32 copy (N, C, H, W) that may be changed in place; N may be 0.
        """

    def apply_in_training(self, images: Images, *, seed: int, rows: NDArray[np.int64]) -> Images:
        """The method that `in_training` calls. Random values come from `rng(seed, <name>, row)` for each row."""
        return self.apply(images)

    def apply_as_cover(self, images: Images, *, seed: int, rows: NDArray[np.int64]) -> Images:
        """The method that `as_cover` calls."""
        return self.apply_in_training(images, seed=seed, rows=rows)

    @final
    def __call__(self, images: NDArray[Any]) -> Images:
        """Add the trigger to float images in [0, 1] or uint8 images. The result is float32 (N, C, H, W) in [0, 1].

        Raises InputError for arrays that are not (N, C, H, W), for other types than float and uint8, and for float
        values outside [0, 1].
        """
        return self._finish(self.apply(_checked(images)), images)

    @final
    def in_training(self, images: NDArray[Any], *, seed: int, rows: Sequence[int] | NDArray[Any]) -> Images:
        """Add the trigger in the form that is used for poisoned training samples.

        `rows` holds the row number of each image in the training set.
        """
        return self._finish(self.apply_in_training(_checked(images), seed=seed, rows=_rows(images, rows)), images)

    @final
    def as_cover(self, images: NDArray[Any], *, seed: int, rows: Sequence[int] | NDArray[Any]) -> Images:
        """Add the form of the trigger for cover samples, which keep their labels."""
        return self._finish(self.apply_as_cover(_checked(images), seed=seed, rows=_rows(images, rows)), images)

    def _finish(self, out: Any, images: NDArray[Any]) -> Images:
        out = np.asarray(out, dtype=np.float32)
        if out.shape != np.shape(images):
            raise InputError(
                f"expected trigger {self.name!r} to keep the shape {np.shape(images)}, got {out.shape}; fix its method apply"
            )
        # fmax and fmin would hide a NaN as a bound; clip keeps it, so that the check below sees it.
        out = np.clip(out, 0.0, 1.0)
        if np.isnan(out).any():
            raise InputError(f"expected numbers from trigger {self.name!r}, got NaN; check its settings")
        return out

    @property
    def settings(self) -> dict[str, Any]:
        """The settings as JSON-able values (patterns as base64)."""
        return {f.name: _encode(getattr(self, f.name)) for f in dataclasses.fields(cast(Any, self))}

    @property
    def strength(self) -> float | None:
        """The setting that makes the trigger weaker or stronger, or None if there is no such setting."""
        return None if self.strength_setting is None else float(getattr(self, self.strength_setting))

    def with_strength(self, strength: float) -> Self:
        """The same trigger at another strength. Raises InputError if the trigger has no strength."""
        if self.strength_setting is None:
            raise InputError(
                f"expected a trigger with a strength setting, got {self.name!r}, which has none; change another setting of the trigger"
            )
        return dataclasses.replace(cast(Any, self), **{self.strength_setting: strength})

    def to_dict(self) -> dict[str, Any]:
        """The trigger as JSON-able `{"name", "settings"}`, which :func:`trigger_from_dict` reads."""
        return {"name": self.name, "settings": self.settings}

    def __or__(self, other: Trigger) -> Composed:
        """Compose two triggers: `a | b` applies first a, then b."""
        if not isinstance(other, Trigger):
            return NotImplemented
        return Composed((*_parts(self), *_parts(other)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trigger) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(repr(self.to_dict()))

    def plot(self, ax: Any, image: NDArray[Any] | None = None) -> Any:
        """Plot an image, the image with the trigger, and 10 times the difference of the two. Return the matplotlib
        axis.

        In the difference, mid-grey means no change. `image` is (C, H, W). By default, `image` is a grey gradient of 32
        x 32 pixels. A trigger that was made for images of another shape raises InputError for the grey gradient.
        """
        if image is None:
            image = np.tile(np.linspace(0.2, 0.8, 32, dtype=np.float32), (1, 32, 1))
        image = np.asarray(image)
        if image.ndim != 3:
            raise InputError(f"expected one image (C, H, W), got shape {image.shape}; pass images[i]")
        clean, triggered = _checked(image[None])[0], self(image[None])[0]
        difference = np.clip(0.5 + 10 * (triggered - clean) / 2, 0, 1)
        strip = np.concatenate([clean, triggered, difference], axis=2).transpose(1, 2, 0)
        ax.imshow(strip[..., 0] if strip.shape[2] == 1 else strip[..., :3], cmap="gray", vmin=0, vmax=1)
        width = clean.shape[2]
        ax.set_xticks([width * (k + 0.5) - 0.5 for k in range(3)], ["clean", "triggered", "difference x 10"])
        ax.set_yticks([])
        ax.set_title(self.name)
        return ax


@dataclasses.dataclass(frozen=True, eq=False)
class Composed(Trigger):
    """Several triggers that are applied one after the other. Made by `a | b`.

    >>> from doldrum.triggers import Patch
    >>> both = Patch(size=1, corner="upper left") | Patch(size=1, corner="lower right")
    >>> both(np.zeros((1, 1, 2, 2), dtype=np.float32))[0, 0].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    name: ClassVar[str] = "composed"
    parts: tuple[Trigger, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.parts, tuple) or not self.parts or not all(isinstance(p, Trigger) for p in self.parts):
            raise InputError("expected at least one trigger, got none or something else; compose with a | b")

    def apply(self, images: Images) -> Images:
        for part in self.parts:
            images = part(images)
        return images

    def apply_in_training(self, images: Images, *, seed: int, rows: NDArray[np.int64]) -> Images:
        for part in self.parts:
            images = part.in_training(images, seed=seed, rows=rows)
        return images

    def apply_as_cover(self, images: Images, *, seed: int, rows: NDArray[np.int64]) -> Images:
        for part in self.parts:
            images = part.as_cover(images, seed=seed, rows=rows)
        return images


def trigger_from_dict(record: dict[str, Any]) -> Trigger:
    """Rebuild the trigger that `to_dict` wrote. No code from the record is run.

    Raises InputError for unknown names and settings.

    >>> from doldrum.triggers import Patch
    >>> trigger_from_dict(Patch(size=2).to_dict()) == Patch(size=2)
    True
    """
    if not isinstance(record, dict) or set(record) != {"name", "settings"} or not isinstance(record["settings"], dict):
        raise InputError("expected a dict with 'name' and 'settings', got something else; write it with to_dict")
    name, settings = record["name"], record["settings"]
    if name not in _REGISTRY:
        raise InputError(
            f"expected the name of a trigger ({', '.join(trigger_names())}), got {name!r}; read learned triggers with "
            "doldrum.attacks.load_trigger; for your own trigger, import its module first"
        )
    try:
        return _REGISTRY[name](**{key: _decode(value) for key, value in settings.items()})
    except TypeError as error:
        raise InputError(
            f"expected the settings of trigger {name!r}, got settings named {sorted(settings)}; {error}"
        ) from error
    except RecursionError as error:
        raise InputError(
            "expected a trigger that consists of a few triggers, got a record that is nested too deeply; write it with to_dict"
        ) from error


def trigger_names() -> list[str]:
    """The names of all triggers that :func:`trigger_from_dict` can currently load."""
    return sorted(_REGISTRY)


def _encode(value: Any) -> Any:
    if isinstance(value, Trigger):
        return value.to_dict()
    return [_encode(v) for v in value] if isinstance(value, tuple) else encode(value)


def _decode(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"name", "settings"}:
        return trigger_from_dict(value)
    return tuple(_decode(v) for v in value) if isinstance(value, (list, tuple)) else decode(value)


def _parts(trigger: Trigger) -> tuple[Trigger, ...]:
    return trigger.parts if isinstance(trigger, Composed) else (trigger,)


def _rows(images: NDArray[Any], rows: Sequence[int] | NDArray[Any]) -> NDArray[np.int64]:
    out = np.asarray(rows, dtype=np.int64)
    if out.shape != (len(images),):
        raise InputError(
            f"expected one row number per image ({len(images)}), got shape {out.shape}; pass the images' row numbers in the data set"
        )
    return out


def _checked(images: NDArray[Any]) -> Images:
    """Check images (N, C, H, W), and return a float32 copy."""
    images = np.asarray(images)
    if images.ndim != 4 or min(images.shape[1:]) < 1:
        raise InputError(f"expected images (N, C, H, W), got shape {images.shape}; add or reorder axes")
    if images.dtype == np.uint8:
        return to_float(images)
    if images.dtype.kind != "f":
        raise InputError(f"expected float images in [0, 1] or uint8 images, got {images.dtype}; convert them")
    # Written so that NaN fails too.
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise InputError(f"expected values in [0, 1], got {images.min():g} to {images.max():g}; divide by 255 or clip")
    return np.array(images, dtype=np.float32, order="C")
