"""Records: frozen, versioned results and their JSON. What a report reads, and all it needs."""

from __future__ import annotations

import base64
import binascii
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.errors import InputError

__all__ = [
    "COMBINATIONS",
    "INPUTS",
    "MODELS",
    "VERSION",
    "Curve",
    "DemoRecord",
    "Example",
    "ModelSummary",
    "Pixels",
]

VERSION = 1
"""Version of every record written by this release."""
MODELS = ("clean", "backdoored")
INPUTS = ("clean", "triggered")
COMBINATIONS = tuple((model, inputs) for model in MODELS for inputs in INPUTS)
"""The four pairs (model, inputs), in the order in which they are shown."""


class _Record:
    """Plain fields to and from dictionaries and JSON files; strict about keys and version."""

    _nested: ClassVar[Mapping[str, tuple[str, bool]]] = {}  # field -> (record class, is it a tuple of them)

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON-able values."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The record that `to_dict` wrote; InputError for missing or unknown keys, or bad values."""
        if not isinstance(values, Mapping):
            raise InputError(
                f"expected a {cls.__name__} as an object, got {type(values).__name__}; write one anew"
            )
        names = {f.name for f in fields(cls)}  # type: ignore[arg-type]
        if "version" in names and "version" in values:
            _check_version(values["version"])
        missing, unknown = sorted(names - set(values)), sorted(set(values) - names)
        if missing or unknown:
            raise InputError(
                f"expected a {cls.__name__} with keys {sorted(names)}, got one that lacks {missing} and adds "
                f"{unknown}; write it anew with this release"
            )
        made = dict(values)
        for name, (kind, many) in cls._nested.items():
            maker = _KINDS[kind]
            if many and not isinstance(made[name], list | tuple):
                raise InputError(f"expected a list of {kind} in '{name}', got {type(made[name]).__name__}")
            made[name] = (
                tuple(maker.from_dict(v) for v in made[name]) if many else maker.from_dict(made[name])
            )
        return cls(**made)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write JSON to `path`, whole or not at all; returns the path."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(
            {"record": type(self).__name__, "version": VERSION} | self.to_dict(), allow_nan=False
        )
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            part.write_text(text + "\n", encoding="utf-8")
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises InputError when the file is absent, not JSON, another record, another version, or incomplete.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise InputError(
                f"expected a {cls.__name__} in JSON at {path}, got {error}; check the path"
            ) from error
        if not isinstance(values, dict) or values.get("record") != cls.__name__:
            found = values.get("record") if isinstance(values, dict) else type(values).__name__
            raise InputError(
                f"expected a {cls.__name__} at {path}, got {found!r}; pass a file that save() wrote"
            )
        _check_version(values.get("version"))
        own = "version" in {f.name for f in fields(cls)}  # type: ignore[arg-type]
        return cls.from_dict({k: v for k, v in values.items() if k != "record" and (own or k != "version")})


@dataclass(frozen=True)
class Pixels(_Record):
    """A uint8 array, stored as base64 of its bytes in C order.

    >>> p = Pixels.of([[0.0, 0.5], [1.0, 2.0]])
    >>> p.array().tolist()
    [[0, 128], [255, 255]]
    """

    shape: tuple[int, ...]
    data: str

    def __post_init__(self) -> None:
        shape = tuple(_whole(s, "shape") for s in _sequence(self.shape, "shape"))
        try:
            size = len(base64.b64decode(self.data, validate=True))
        except (binascii.Error, TypeError, ValueError) as error:
            raise InputError(f"expected pixels in base64, got {error}; use Pixels.of(array)") from error
        if size != math.prod(shape):
            raise InputError(
                f"expected {math.prod(shape)} bytes for shape {shape}, got {size}; use Pixels.of(array)"
            )
        object.__setattr__(self, "shape", shape)

    @classmethod
    def of(cls, array: ArrayLike) -> Self:
        """Pixels of an array: uint8 as it is; floats are clipped to [0, 1] and rounded to 255 steps."""
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
class Curve(_Record):
    """Mean W against strength, for one model and one kind of inputs, with a confidence band.

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
            object.__setattr__(self, name, _numbers(getattr(self, name), name))
        sizes = {len(self.strengths), len(self.mean), len(self.lower), len(self.upper)}
        if len(sizes) != 1 or not self.strengths:
            raise InputError(
                f"expected one mean, lower and upper a strength, got lengths {sorted(sizes)}; match them"
            )
        if min(self.strengths) <= 0 or any(
            a >= b for a, b in zip(self.strengths, self.strengths[1:], strict=False)
        ):
            raise InputError(f"expected positive strengths in rising order, got {self.strengths}; sort them")
        for low, high in zip(self.lower, self.upper, strict=True):
            _check_order(low, high, "band")

    @property
    def key(self) -> str:
        """'model/inputs'."""
        return f"{self.model}/{self.inputs}"


@dataclass(frozen=True)
class ModelSummary(_Record):
    """One model in one row: accuracy, attack success, and W at sigma-half without and with the trigger."""

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
    n_inputs: int
    draws: int

    def __post_init__(self) -> None:
        if self.name not in MODELS:
            raise InputError(f"expected a model name in {MODELS}, got {self.name!r}; use one of them")
        for name in ("clean_accuracy", "asr", "w_clean", "w_triggered"):
            object.__setattr__(self, name, _share(getattr(self, name), name))
            low, high = _pair(getattr(self, f"{name}_ci"), f"{name}_ci")
            object.__setattr__(self, f"{name}_ci", (low, high))
        object.__setattr__(self, "sigma_half", _positive(self.sigma_half, "sigma_half"))
        for name in ("n_inputs", "draws"):
            object.__setattr__(self, name, _whole(getattr(self, name), name, least=1))


@dataclass(frozen=True)
class Example(_Record):
    """One input, some noisy copies of it, and the labels that came back.

    `image` is (C, H, W); `noisy` is (M, C, H, W), clipped for display; `labels` has M classes (-1: invalid);
    `base_label` is the label of `image` itself, and `w` its W at `sigma` from all draws.
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

    _nested: ClassVar = {"image": ("Pixels", False), "noisy": ("Pixels", False)}

    def __post_init__(self) -> None:
        _check_pair(self.model, self.inputs)
        labels = tuple(_whole(c, "labels", least=-1) for c in _sequence(self.labels, "labels"))
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "true_class", _whole(self.true_class, "true_class"))
        object.__setattr__(self, "base_label", _whole(self.base_label, "base_label", least=-1))
        object.__setattr__(self, "sigma", _positive(self.sigma, "sigma"))
        object.__setattr__(self, "w", _share(self.w, "w"))
        if not isinstance(self.image, Pixels) or not isinstance(self.noisy, Pixels):
            raise InputError("expected image and noisy as Pixels, got something else; use Pixels.of(array)")
        shape, copies = self.image.shape, self.noisy.shape
        if len(shape) != 3 or shape[0] not in (1, 3) or 0 in shape:
            raise InputError(f"expected an image of shape (1 or 3, H, W), got {shape}; pass channels first")
        if copies != (len(labels), *shape):
            raise InputError(
                f"expected noisy of shape {(len(labels), *shape)}, got {copies}; one copy a label"
            )


@dataclass(frozen=True, kw_only=True)
class DemoRecord(_Record):
    """Everything that `doldrum demo` found, and everything its report needs.

    Parameters
    ----------
    models : the clean and the backdoored :class:`ModelSummary`, in this order
    curves : four :class:`Curve`, one for each of `COMBINATIONS`
    w_at_half : "model/inputs" -> W of every input at sigma-half
    examples : any number of :class:`Example`
    class_names : names of the K classes
    trigger, plan : what was stamped on, and how the training set was poisoned
    sigma_half : strength at which W is read, found on the clean model's clean inputs
    seed, command : how to repeat it
    provenance : "versions", "machine" and "engine" (name, precision, agreement), JSON-able
    seconds : what took how long
    """

    models: tuple[ModelSummary, ...]
    curves: tuple[Curve, ...]
    w_at_half: Mapping[str, tuple[float, ...]]
    examples: tuple[Example, ...]
    class_names: tuple[str, ...]
    trigger: Mapping[str, Any]
    plan: Mapping[str, Any]
    sigma_half: float
    seed: int
    command: str
    provenance: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    version: int = VERSION

    _nested: ClassVar = {
        "models": ("ModelSummary", True),
        "curves": ("Curve", True),
        "examples": ("Example", True),
    }

    def __post_init__(self) -> None:
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        _check_version(self.version)
        for name in ("models", "curves", "examples"):
            put(name, tuple(getattr(self, name)))
        if tuple(m.name for m in self.models) != MODELS:
            raise InputError(
                f"expected models {MODELS}, got {tuple(m.name for m in self.models)}; in this order"
            )
        wanted = {f"{model}/{inputs}" for model, inputs in COMBINATIONS}
        if len(self.curves) != len(wanted) or {c.key for c in self.curves} != wanted:
            raise InputError(
                f"expected one curve each of {sorted(wanted)}, got {[c.key for c in self.curves]}"
            )
        _mapping(self.w_at_half, "w_at_half")
        if set(self.w_at_half) != wanted:
            raise InputError(
                f"expected w_at_half of {sorted(wanted)}, got {sorted(self.w_at_half)}; give all four"
            )
        put("w_at_half", {k: _numbers(v, f"w_at_half of {k}") for k, v in self.w_at_half.items()})
        if not all(self.w_at_half.values()):
            raise InputError("expected W of at least one input for each combination, got none; measure some")
        put("class_names", tuple(str(c) for c in _sequence(self.class_names, "class_names")))
        for name in ("trigger", "plan", "provenance", "seconds"):
            put(name, _jsonable(getattr(self, name), name))
        put("seconds", {k: _number(v, f"seconds of {k}") for k, v in self.seconds.items()})
        put("sigma_half", _positive(self.sigma_half, "sigma_half"))
        put("seed", _whole(self.seed, "seed"))
        if not isinstance(self.command, str):
            raise InputError(
                f"expected the command as text, got {type(self.command).__name__}; join its words"
            )
        top = max((max(e.true_class, e.base_label, *e.labels) for e in self.examples), default=-1)
        if top >= len(self.class_names):
            raise InputError(
                f"expected classes below {len(self.class_names)}, got {top} in an example; name them all"
            )

    @property
    def clean(self) -> ModelSummary:
        """The clean model's row."""
        return self.models[0]

    @property
    def backdoored(self) -> ModelSummary:
        """The backdoored model's row."""
        return self.models[1]


_KINDS: dict[str, type[_Record]] = {
    "Pixels": Pixels,
    "Curve": Curve,
    "ModelSummary": ModelSummary,
    "Example": Example,
}


def _plain(value: Any) -> Any:
    if isinstance(value, _Record):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple | list) else value


def _refuse_constant(name: str) -> float:
    raise json.JSONDecodeError(f"the constant {name}, which JSON lacks", name, 0)


def _check_version(found: Any) -> None:
    if isinstance(found, bool) or found != VERSION:
        raise InputError(
            f"expected record version {VERSION}, got {found!r}; read it with the release that wrote it"
        )


def _check_pair(model: str, inputs: str) -> None:
    if model not in MODELS or inputs not in INPUTS:
        raise InputError(
            f"expected a model in {MODELS} and inputs in {INPUTS}, got {model!r} and {inputs!r}; fix them"
        )


def _check_order(low: float, high: float, name: str) -> None:
    if low > high:
        raise InputError(f"expected {name} limits in order, got {low} > {high}; pass (low, high)")


def _sequence(values: Any, name: str) -> Sequence[Any] | NDArray[Any]:
    if isinstance(values, np.ndarray) and values.ndim == 1:
        return values
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Sequence):
        raise InputError(
            f"expected a list for {name}, got {type(values).__name__}; pass one value after another"
        )
    return values


def _mapping(values: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise InputError(f"expected an object for {name}, got {type(values).__name__}; pass keys and values")
    return values


def _jsonable(values: Any, name: str) -> dict[str, Any]:
    # A round trip makes tuples lists, so that a record equals what is read back from its file.
    try:
        return json.loads(json.dumps(dict(_mapping(values, name)), allow_nan=False))
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"expected JSON values without NaN in {name}, got {error}; convert them") from error


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise InputError(f"expected a number for {name}, got {value!r}; pass a float")
    if not math.isfinite(value):
        raise InputError(f"expected a finite number for {name}, got {value}; leave out what was not measured")
    return float(value)


def _numbers(values: Any, name: str) -> tuple[float, ...]:
    return tuple(_number(v, name) for v in _sequence(values, name))


def _positive(value: Any, name: str) -> float:
    if (number := _number(value, name)) <= 0:
        raise InputError(f"expected a positive {name}, got {value}; pass the strength in pixel units")
    return number


def _share(value: Any, name: str) -> float:
    number = _number(value, name)
    if not -1e-9 <= number <= 1 + 1e-9:
        raise InputError(f"expected {name} in [0, 1], got {value}; pass a share, not a percentage")
    return number


def _pair(values: Any, name: str) -> tuple[float, float]:
    numbers = _numbers(values, name)
    if len(numbers) != 2:
        raise InputError(f"expected (low, high) for {name}, got {len(numbers)} numbers; pass two")
    _check_order(*numbers, name)
    return numbers[0], numbers[1]


def _whole(value: Any, name: str, *, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(
            f"expected a whole number of at least {least} for {name}, got {value!r}; pass an int"
        )
    return int(value)
