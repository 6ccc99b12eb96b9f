"""Trigger: images in, triggered images out. The contract that every trigger keeps."""

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
    """A map from images to images: a backdoor trigger, an adversarial pattern and a harmless sticker alike.

    A subclass is a frozen dataclass whose fields are its settings. It names itself (`name`), writes one hook,
    `apply`, and says which field is its strength, if it has one. The base class checks what goes in, clips
    what comes out, composes (`a | b` is a, then b), writes to and reads from JSON, and draws.

    Every trigger keeps this contract: values stay in [0, 1]; the input is never edited; the output is float32
    of the same shape; an image's result depends on that image and the settings alone, not on its batch.

    Some attacks show the network another form in training than the attacker uses later (half a trigger, a
    noisy one). `in_training` gives what poisoned samples get, `as_cover` what cover samples get (they keep
    their labels); by default both are the trigger itself. Their randomness is a function of (seed, row of the
    training set).
    """

    name: ClassVar[str] = ""
    strength_setting: ClassVar[str | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not inspect.isabstract(cls) and cls.name:
            _REGISTRY[cls.name] = cls

    def __post_init__(self) -> None:
        """Check the types of the settings; a subclass that checks more calls this first."""
        check_plain_settings(self)

    @abstractmethod
    def apply(self, images: Images) -> Images:
        """The triggered images. `images` is a checked float32 copy (N, C, H, W) that may be written to; N may
        be 0.
        """

    def apply_in_training(self, images: Images, *, seed: int, rows: NDArray[np.int64]) -> Images:
        """Hook behind `in_training`; randomness from `rng(seed, <name>, row)` for each row."""
        return self.apply(images)

    def apply_as_cover(self, images: Images, *, seed: int, rows: NDArray[np.int64]) -> Images:
        """Hook behind `as_cover`."""
        return self.apply_in_training(images, seed=seed, rows=rows)

    @final
    def __call__(self, images: NDArray[Any]) -> Images:
        """Triggered images, float32 (N, C, H, W) in [0, 1], of float images in [0, 1] or uint8 images.

        Raises InputError for another shape or type, or values outside [0, 1].
        """
        return self._finish(self.apply(_checked(images)), images)

    @final
    def in_training(self, images: NDArray[Any], *, seed: int, rows: Sequence[int] | NDArray[Any]) -> Images:
        """What poisoned training samples get; `rows` are the samples' places in the training set."""
        return self._finish(self.apply_in_training(_checked(images), seed=seed, rows=_rows(images, rows)), images)

    @final
    def as_cover(self, images: NDArray[Any], *, seed: int, rows: Sequence[int] | NDArray[Any]) -> Images:
        """What cover samples, which keep their labels, get."""
        return self._finish(self.apply_as_cover(_checked(images), seed=seed, rows=_rows(images, rows)), images)

    def _finish(self, out: Any, images: NDArray[Any]) -> Images:
        out = np.asarray(out, dtype=np.float32)
        if out.shape != np.shape(images):
            raise InputError(
                f"expected {self.name!r} to keep {np.shape(images)}, got shape {out.shape}; fix its method apply"
            )
        # fmax and fmin would hide a NaN as a bound; clip keeps it, so that the check below sees it.
        out = np.clip(out, 0.0, 1.0)
        if np.isnan(out).any():
            raise InputError(f"expected numbers from trigger {self.name!r}, got NaN; check its settings")
        return out

    @property
    def settings(self) -> dict[str, Any]:
        """The settings, JSON-able (patterns as base64)."""
        return {f.name: _encode(getattr(self, f.name)) for f in dataclasses.fields(cast(Any, self))}

    @property
    def strength(self) -> float | None:
        """The setting that makes the trigger weaker or stronger, or None if the method has none."""
        return None if self.strength_setting is None else float(getattr(self, self.strength_setting))

    def with_strength(self, strength: float) -> Self:
        """The same trigger at another strength; raises InputError if the method has none."""
        if self.strength_setting is None:
            raise InputError(
                f"expected a trigger with a strength, got {self.name!r}, which has none; change one of its settings"
            )
        return dataclasses.replace(cast(Any, self), **{self.strength_setting: strength})

    def to_dict(self) -> dict[str, Any]:
        """`{"name", "settings"}`, JSON-able; :func:`trigger_from_dict` reads it."""
        return {"name": self.name, "settings": self.settings}

    def __or__(self, other: Trigger) -> Composed:
        """`a | b`: first a, then b."""
        if not isinstance(other, Trigger):
            return NotImplemented
        return Composed((*_parts(self), *_parts(other)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trigger) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(repr(self.to_dict()))

    def plot(self, ax: Any, image: NDArray[Any] | None = None) -> Any:
        """Draw clean, triggered and difference x 10 (mid-grey is none) side by side on a matplotlib axis;
        returns it.

        `image` is (C, H, W); without one, a grey slope of 32 x 32 stands in, which triggers made for another
        shape refuse.
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
    """Several triggers, one after the other. Made by `a | b`.

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
    """The trigger that `to_dict` wrote; raises InputError for unknown names and settings. Runs no code from
    the record.

    >>> from doldrum.triggers import Patch
    >>> trigger_from_dict(Patch(size=2).to_dict()) == Patch(size=2)
    True
    """
    if not isinstance(record, dict) or set(record) != {"name", "settings"} or not isinstance(record["settings"], dict):
        raise InputError("expected a dict with 'name' and 'settings', got something else; write it with to_dict")
    name, settings = record["name"], record["settings"]
    if name not in _REGISTRY:
        raise InputError(
            f"expected a trigger among {', '.join(trigger_names())}, got {name!r}; read learned triggers with "
            "doldrum.attacks.load_trigger, and import the module of a trigger of your own first"
        )
    try:
        return _REGISTRY[name](**{key: _decode(value) for key, value in settings.items()})
    except TypeError as error:
        raise InputError(f"expected the settings of trigger {name!r}, got {sorted(settings)}; {error}") from error
    except RecursionError as error:
        raise InputError(
            "expected a trigger of a few parts, got one that is nested too deeply; write it with to_dict"
        ) from error


def trigger_names() -> list[str]:
    """The names that :func:`trigger_from_dict` knows at the moment."""
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
    """A float32 copy of images (N, C, H, W), after checks."""
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
