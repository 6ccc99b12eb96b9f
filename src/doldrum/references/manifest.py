"""The file references.json, which describes how the reference models of a folder were trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doldrum.checks import is_object, whole_number
from doldrum.errors import InputError
from doldrum.records.base import VERSION, Record, check_version
from doldrum.records.checks import jsonable

__all__ = ["MANIFEST", "MOST", "ReferencesManifest", "model_name", "read_references_manifest"]

MANIFEST = "references.json"
MOST = 10_000
"""The largest number of models in a folder. The models' names have a number of four digits, so they sort by number."""


@dataclass(frozen=True, kw_only=True)
class ReferencesManifest(Record):
    """The settings with which all reference models of a folder are trained. The models differ only in their seeds.

    `data` is the data set's name, and `data_hash` is a hash of its content. `recipe` is the recipe's name ("" if it has
    none), and `settings` holds all its settings. The models' seeds are derived from `seed`. `count` is the planned
    number of models.
    """

    data: str
    data_hash: str
    recipe: str
    settings: Mapping[str, Any]
    seed: int
    count: int
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    version: int = VERSION

    def __post_init__(self) -> None:
        check_version(self.version)
        for name in ("data", "data_hash", "recipe"):
            if not isinstance(getattr(self, name), str):
                raise InputError(f"expected {name} as text, got {getattr(self, name)!r}; the file is broken")
        for name in ("settings", "provenance"):
            if not is_object(getattr(self, name)):
                raise InputError(f"expected {name} as an object, got {getattr(self, name)!r}; the file is broken")
            object.__setattr__(self, name, jsonable(getattr(self, name), name))
        whole_number(self.seed, "seed", least=-(2**63), hint="e.g. 0")
        whole_number(self.count, "count", least=1, most=MOST, hint="e.g. 40")

    def differences(self, other: ReferencesManifest) -> list[str]:
        """Say in words how two manifests differ; the numbers of models are not compared."""
        found: list[str] = []
        for name, decides in (("data", "data_hash"), ("recipe", "settings"), ("seed", "seed")):
            if getattr(self, decides) != getattr(other, decides):
                mine, theirs = getattr(self, name), getattr(other, name)
                found.append(
                    f"{name} {mine!r}, " + (f"not {theirs!r}" if mine != theirs else "which has changed since")
                )
        return found


def model_name(number: int) -> str:
    """The file name of a model. Numbers start from 0.

    >>> model_name(7)
    'reference-0007.safetensors'
    """
    return f"reference-{number:04d}.safetensors"


def read_references_manifest(folder: Path) -> ReferencesManifest | None:
    """The manifest in `folder`, or None if there is none. Raises InputError for a broken file."""
    path = folder / MANIFEST
    return ReferencesManifest.load(path) if path.is_file() else None
