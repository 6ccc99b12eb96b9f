"""ModelSettings: the options for a model, which all commands share. All options are checked before the model is opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

from doldrum.checks import is_kind, is_number, is_whole, unfit_path
from doldrum.errors import InputError
from doldrum.flags import in_flags
from doldrum.intake import visible
from doldrum.opening.endpoint import PREFIX, endpoint_of, is_address
from doldrum.remote import redacted

__all__ = ["PREPROCESSING", "ModelSettings", "check_positive", "notes_in_flags"]

_CHOICES = {
    "outputs": ("logits", "probabilities", "labels"),
    "channels": ("rgb", "bgr", "grey"),
    "resize": ("stretch", "crop"),
}
PREPROCESSING = ("arch", "outputs", "num_classes", "output_name", "mean", "std", "size", "channels", "scale", "resize")
"""The settings that affect a model's output. A detector's file saves all settings in this list."""


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """A model, and how it is opened.

    A subclass lists in SOURCES the fields that contain paths of images. CALLED has the names that error messages use
    for values that are arguments of the command, not options.

    Parameters
    ----------
    model : str
        A file, a folder, or an address http(s)://... in a format that `doldrum.suspects.open_model` accepts.
    arch, outputs, num_classes, output_name : optional
        Facts about the model, for model files that do not contain them. `output_name` is the name of the output to use,
        if there are several.
    mean, std, size, channels, scale : optional
        The preprocessing that the model expects, if its files do not contain it. The model's input is (scale * x -
        mean) / std for pixels x in [0, 1]. A model that takes pixels from 0 to 255 has scale 255. `mean` and `std` are
        a number for all channels, or a list with a number for each channel. `size` is (height, width).
    resize : "stretch" or "crop"
        How to resize an image whose size differs from the model's input size.
    labels : str, optional
        A text file with the names of the classes, one per line, in the model's order.
    trust_code, trust_pickle : bool
        Allow the model to run its own code, or to be unpickled, in the confined process.
    memory : float
        The memory limit of the confined process in GiB.
    endpoint_body, endpoint_batch, endpoint_timeout, endpoint_retries, endpoint_per_second, endpoint_queries, endpoint_token : optional
        Settings for a model at a network address: how doldrum sends requests to the model. See
        :class:`doldrum.suspects.Endpoint`. `endpoint_queries` is the largest number of queries in one run. The class
        Endpoint calls this number `budget`.

    Raises InputError for values of a wrong type or out of range, and for files that do not exist.

    >>> ModelSettings(model=".", endpoint_queries=5)
    Traceback (most recent call last):
    doldrum.errors.InputError: expected endpoint_queries= with a model at an address http(s)://..., got a file; leave out endpoint_queries=
    """

    SOURCES: ClassVar[tuple[str, ...]] = ()
    CALLED: ClassVar[Mapping[str, str]] = {}

    model: str
    arch: str | None = None
    outputs: str | None = None
    num_classes: int | None = None
    output_name: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None
    channels: str | None = None
    scale: float | None = None
    resize: Literal["stretch", "crop"] = "stretch"
    labels: str | None = None
    trust_code: bool = False
    trust_pickle: bool = False
    memory: float = 6.0
    endpoint_body: Literal["png", "npy"] = "png"
    endpoint_batch: int = 16
    endpoint_timeout: float = 30.0
    endpoint_retries: int = 4
    endpoint_per_second: float | None = None
    endpoint_queries: int | None = None  # `budget` there; an audit's --budget is its time
    endpoint_token: str | None = None

    def __post_init__(self) -> None:
        self._check_kinds()
        check_positive("memory", self.memory)
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            default = getattr(ModelSettings, name)  # None if the option may be left out
            if value not in (known if default is not None else (None, *known)):
                raise InputError(
                    f"expected {name}= as one of {', '.join(known)}, got {value!r}; pick one of these values"
                )
        self._check_preprocessing()
        if self.num_classes is not None and not (is_whole(self.num_classes) and 2 <= self.num_classes <= 32_767):
            raise InputError(f"expected num_classes= from 2 to 32,767, got {self.num_classes!r}; count the classes")
        for name in self.SOURCES:
            for value in _paths(getattr(self, name)):
                if not self.is_there(value):
                    called = self.CALLED.get(name, f"{name}=")
                    raise InputError(
                        f"expected {called} as a file or folder that exists, got {_shown(value)}, which is not there; check the path"
                    )
                if os.path.exists(value) and (why := unfit_path(value, folder=True)):
                    raise InputError(
                        f"expected the path of a file or folder with images, got the path {_shown(value)}, {why}; pass another path"
                    )
        if self.labels is not None and (why := unfit_path(self.labels)):
            raise InputError(
                f"expected labels= as the path of a text file, got the path {_shown(self.labels)}, {why}; check the path"
            )
        if not self.remote and (why := unfit_path(self.model, folder=True)):
            raise InputError(
                f"expected the path of a model file or folder, got the path {_shown(self.model)}, {why}; check the path"
            )
        self._check_endpoint()

    def _check_kinds(self) -> None:
        """Check the type of each field, and convert paths to text."""
        for name in ("model", *self.SOURCES, "labels"):
            value = getattr(self, name)
            if isinstance(value, os.PathLike):
                object.__setattr__(self, name, os.fspath(cast("os.PathLike[str]", value)))
            elif isinstance(value, tuple) and name in self.SOURCES:
                object.__setattr__(self, name, tuple(os.fspath(v) if isinstance(v, os.PathLike) else v for v in value))
        for name in ("model", *self.SOURCES, "labels", "arch", "output_name", "endpoint_token"):
            value = getattr(self, name)
            if isinstance(value, tuple) and name in self.SOURCES and all(isinstance(v, str) for v in value):
                continue
            if not (isinstance(value, str) or (value is None and name != "model")):
                raise InputError(f"expected {name}= as text, got {type(value).__name__}; pass a string")
        for name in ("trust_code", "trust_pickle"):
            if not is_kind(getattr(self, name), bool):
                raise InputError(f"expected {name}=True or False, got {getattr(self, name)!r}; pick one")

    def _check_preprocessing(self) -> None:
        if self.scale is not None:
            check_positive("scale", self.scale)
        for name in ("mean", "std"):
            given = getattr(self, name)
            if given is None:
                continue
            value = tuple(given) if isinstance(given, (tuple, list)) else (given,)
            if len(value) not in (1, 3) or not all(map(is_number, value)) or (name == "std" and min(value) <= 0):
                raise InputError(
                    f"expected {name}= as 1 or 3 numbers{' above 0' if name == 'std' else ''}, got {given}; pass one number per channel"
                )
            object.__setattr__(self, name, tuple(float(v) for v in value))
        if self.size is not None:
            size = tuple(self.size) if isinstance(self.size, (tuple, list)) else (self.size, self.size)
            if len(size) != 2 or not all(is_whole(s) and s >= 1 for s in size):
                raise InputError(
                    f"expected size= as two whole numbers, height and width, got {self.size}; e.g. (224, 224)"
                )
            object.__setattr__(self, "size", tuple(int(s) for s in size))

    def _check_endpoint(self) -> None:
        if self.remote:
            endpoint_of(vars(self))
            return
        for field in fields(ModelSettings):
            if field.name.startswith(PREFIX) and getattr(self, field.name) != field.default:
                raise InputError(
                    f"expected {field.name}= with a model at an address http(s)://..., got a file; leave out {field.name}="
                )

    def check_shared(self) -> None:
        """Raise InputError if several processes cannot use the model at once, because each would count its own queries."""
        for name in ("endpoint_queries", "endpoint_per_second"):
            if getattr(self, name) is not None:
                raise InputError(
                    f"expected {name}= with one process, because each process would count only its own images, got several processes; leave out {name}=, or workers= and ray="
                )

    def is_there(self, path: str) -> bool:
        """Whether there is a file or folder with images, or a text file, at `path`."""
        return Path(path).exists()

    @cached_property
    def path(self) -> Path:
        """The absolute path of the model's file or folder, with links resolved."""
        return Path(os.path.realpath(self.model))

    @property
    def remote(self) -> bool:
        """Whether the model is at an address on the network."""
        return is_address(self.model)

    @property
    def shown_model(self) -> str:
        """The model's path, or its address without secrets."""
        return redacted(self.model) if self.remote else self.model

    @property
    def preprocessing(self) -> dict[str, Any]:
        """The preprocessing settings that were given, by name, as JSON-able values."""
        given = {name: getattr(self, name) for name in PREPROCESSING}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in given.items() if v is not None}

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-able values with absolute paths, for another process."""
        made: dict[str, Any] = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        for name in (*self.SOURCES, "labels"):
            several = isinstance(made[name], list)
            paths = [str(Path(one).resolve()) if Path(one).exists() else one for one in _paths(made[name])]
            made[name] = paths if several else next(iter(paths), None)
        return made if self.remote else made | {"model": str(self.path)}

    @classmethod
    def from_dict(cls, made: Mapping[str, Any]) -> ModelSettings:
        """Rebuild the settings from the output of `to_dict`. Other fields are ignored."""
        return cls(**{field.name: made[field.name] for field in fields(ModelSettings)})


def notes_in_flags(notes: Iterable[str]) -> list[str]:
    """The notes about an opened model, with command-line flags instead of Python arguments.

    >>> notes_in_flags(["pass mean= and output= if it wants others"])
    ['pass --mean and --output-name if it wants others']
    """
    names = [field.name for field in fields(ModelSettings)]
    return [in_flags(note, names) for note in notes]


def _paths(value: Any) -> list[str]:
    """The paths in the value of a setting, as a list: the value may be None, one path, or several paths."""
    return list(value) if isinstance(value, (tuple, list)) else [] if value is None else [value]


def _shown(path: str) -> str:
    """A path in which every character is visible. An empty path is shown as ''."""
    return visible(path, most=4096) or "''"


def check_positive(name: str, value: object) -> None:
    """Raise InputError unless the setting is a finite number above 0."""
    if not (is_number(value) and cast("float", value) > 0):
        raise InputError(f"expected a positive {name}=, got {value!r}; pass a number above 0")
