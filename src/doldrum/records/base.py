"""Record: the base class of all records, which reads and writes JSON files and checks their keys and versions."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Self, cast

from doldrum.checks import is_kind, is_object
from doldrum.errors import InputError
from doldrum.files import write_text_whole

__all__ = ["VERSION", "Record", "check_version"]

VERSION = 1
"""Version of every record written by this release."""


class Record:
    """A result with plain fields, which is saved as JSON. Reading a record fails for wrong keys or another version."""

    _nested: ClassVar[Mapping[str, tuple[type[Record], bool]]] = {}  # field -> (record class, is it a tuple of them)

    def to_dict(self) -> dict[str, Any]:
        """The fields of the record as JSON-able values."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The record from `values`, the result of its `to_dict`; raises InputError for missing or unknown keys or invalid values."""
        if not is_kind(values, Mapping):
            raise InputError(f"expected {_a(cls)} as an object, got {type(values).__name__}; write it again")
        names = {f.name for f in fields(cls)}  # type: ignore[arg-type]
        if "version" in names and "version" in values:
            check_version(values["version"])
        missing, unknown = sorted(names - set(values)), sorted(set(values) - names)
        if missing or unknown:
            raise InputError(
                f"expected {_a(cls)} with keys {sorted(names)}, got one that lacks {missing} and adds "
                f"{unknown}; write it again with this release"
            )
        made = dict(values)
        for name, (maker, many) in cls._nested.items():
            if many and not isinstance(made[name], list | tuple):
                raise InputError(f"expected a list of {maker.__name__} in '{name}', got {type(made[name]).__name__}")
            made[name] = tuple(maker.from_dict(v) for v in made[name]) if many else maker.from_dict(made[name])
        return cls(**made)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the record as JSON to `path`, whole or not at all, and return the path."""
        text = json.dumps({"record": type(self).__name__, "version": VERSION} | self.to_dict(), allow_nan=False)
        return write_text_whole(path, text + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a record from a file that `save` wrote.

        Raises InputError if the file does not exist, is not JSON, or is incomplete. Raises InputError if the record
        in the file is of another class, or of another version than this release writes.
        """
        try:
            values: Any = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"expected {_a(cls)} in JSON at {path}, got {error}; check the path") from error
        if not is_object(values) or values.get("record") != cls.__name__:
            found = values.get("record") if is_object(values) else type(values).__name__
            raise InputError(f"expected {_a(cls)} at {path}, got {found!r}; pass a file that save() wrote")
        check_version(values.get("version"))
        own = "version" in {f.name for f in fields(cls)}  # type: ignore[arg-type]
        return cls.from_dict({k: v for k, v in values.items() if k != "record" and (own or k != "version")})


def _a(cls: type[Record]) -> str:
    """The name of a record class, with "a" or "an" before it."""
    return f"{'an' if cls.__name__[0] in 'AEIOU' else 'a'} {cls.__name__}"


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in cast("Mapping[Any, Any]", value).items()}
    return [_plain(v) for v in cast("Sequence[Any]", value)] if isinstance(value, tuple | list) else value


def _refuse_constant(name: str) -> float:
    raise json.JSONDecodeError(f"the constant {name}, which JSON lacks", name, 0)


def check_version(found: Any) -> None:
    if isinstance(found, bool) or found != VERSION:
        raise InputError(f"expected record version {VERSION}, got {found!r}; read it with the release that wrote it")
