"""What a folder of trained reference models says of itself: references.json."""

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
"""Models in a folder; their names have a number of four digits, so that they sort as they count."""


@dataclass(frozen=True, kw_only=True)
class ReferencesManifest(Record):
    """How the models of a folder are trained: they differ in nothing but their seeds.

    `data` is the set's name and `data_hash` what it holds; `recipe` is the recipe's name ("" for one without) and `settings` all that it
    says. `seed` is the root of the models' seeds, `count` how many there are to be.
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
        """In words, what decides these models and not those; how many there are doesn't."""
        found: list[str] = []
        for name, decides in (("data", "data_hash"), ("recipe", "settings"), ("seed", "seed")):
            if getattr(self, decides) != getattr(other, decides):
                mine, theirs = getattr(self, name), getattr(other, name)
                found.append(f"{name} {mine!r}, " + (f"not {theirs!r}" if mine != theirs else "which is another now"))
        return found


def model_name(number: int) -> str:
    """The file of a model, from 0.

    >>> model_name(7)
    'reference-0007.safetensors'
    """
    return f"reference-{number:04d}.safetensors"


def read_references_manifest(folder: Path) -> ReferencesManifest | None:
    """What is in `folder`, or None where it has none; InputError for a broken one."""
    path = folder / MANIFEST
    return ReferencesManifest.load(path) if path.is_file() else None
