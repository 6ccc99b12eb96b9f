"""JobSettings: the settings shared by all jobs that work on somebody else's model. All settings are checked before the
job does any work."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

from doldrum.checks import is_number, is_whole
from doldrum.errors import InputError
from doldrum.opening.endpoint import PREFIX, kept_address
from doldrum.opening.settings import ModelSettings, check_positive

__all__ = ["JobSettings", "check_share"]

# What may differ if a run is continued
_FREE = (
    "out",
    "memory",
    "hours",
    *(f"{PREFIX}{name}" for name in ("timeout", "retries", "per_second", "queries", "token")),
)


@dataclass(frozen=True, kw_only=True)
class JobSettings(ModelSettings):
    """The settings shared by all kinds of jobs: those of :class:`doldrum.opening.ModelSettings` for the model, the
    output folder, and limits.

    Each kind of job has a subclass with additional settings.

    Parameters
    ----------
    out : str
        A new or empty folder, or the folder of an interrupted job of the same kind, which is continued.
    seed : int, optional
        The seed of all random draws. By default, a new secret seed is drawn and written into the record at the end.
    hours : float
        The largest number of hours that the confined process may take.

    Raises InputError for values of another type or range, and for files that do not exist.

    >>> JobSettings(model=".", out="new", hours=-1)
    Traceback (most recent call last):
    doldrum.errors.InputError: expected a positive hours=, got -1; pass a number above 0
    """

    out: str
    seed: int | None = None
    hours: float = 24.0

    def __post_init__(self) -> None:
        check_positive("hours", self.hours)
        if self.seed is not None and not (is_whole(self.seed) and 0 <= self.seed < 1 << 63):
            raise InputError(f"expected seed= from 0 to 2^63 - 1, got {self.seed!r}; pass another seed")
        if not isinstance(cast("Any", self.out), (str, os.PathLike)):
            raise InputError(f"expected out= as the path of a folder, got {type(self.out).__name__}; name a folder")
        super().__post_init__()

    @property
    def sources(self) -> dict[str, str | None]:
        """The paths of the images, as a dict whose keys are the names of the settings. If a setting has several paths,
        the keys are its name with the numbers -0, -1 and so on."""
        made: dict[str, str | None] = {}
        for name in self.SOURCES:
            value = getattr(self, name)
            made |= {f"{name}-{n}": one for n, one in enumerate(value)} if isinstance(value, tuple) else {name: value}
        return made

    def options(self, *left_out: str) -> list[str]:
        """The settings that differ from their defaults, written as command-line options. The model, the seed and the
        settings named in `left_out` are not in the list."""
        words = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in (*left_out, "model", "seed") or value == field.default:
                continue
            words.append(f"--{'no-' if value is False else ''}{field.name.replace('_', '-')}")
            if isinstance(value, tuple):
                words.append(
                    ("x" if field.name == "size" else ",").join(
                        str(v) if isinstance(v, str) else f"{v:g}" for v in value
                    )
                )
            elif not isinstance(value, bool):
                words.append(f"{value:g}" if isinstance(value, float) else str(value))
        return words

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON-able values, with absolute paths, for another process."""
        return super().to_dict() | {"out": str(Path(self.out).resolve())}

    def lasting(self) -> dict[str, Any]:
        """The settings that must be the same when a run is continued, as JSON-able values. Secrets in an address are removed."""
        made = {name: value for name, value in self.to_dict().items() if name not in _FREE}
        return made | {"model": kept_address(self.model)} if self.remote else made


def check_share(name: str, value: float) -> None:
    """Raise InputError unless the value of the setting is above 0 and below 1."""
    if not (is_number(value) and 0 < value < 1):
        raise InputError(f"expected {name}= between 0 and 1, got {value!r}; e.g. 0.01")
