"""The files of the attack commands: poisoned sets as .npz, triggers and poisoning plans as JSON. Nothing is pickled."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.data import ImageSet, read_array
from doldrum.errors import InputError
from doldrum.files import write_text_whole, write_whole
from doldrum.poisoning import PoisonedSet, PoisonPlan
from doldrum.triggers import Trigger

__all__ = ["attack_beside", "read_attack", "read_poisoned", "write_arrays", "write_attack", "write_poisoned"]

_LARGEST = 64 << 20


def attack_beside(model: Path) -> Path:
    """The path of the file that holds a model's trigger and poisoning plan.

    >>> attack_beside(Path("a/bad.safetensors")).name
    'bad.attack.json'
    """
    return model.with_suffix(".attack.json")


def write_attack(path: Path, record: dict[str, Any]) -> None:
    """Write an attack's trigger and poisoning plan to a JSON file, whole or not at all."""
    text = json.dumps(record, indent=2) + "\n"
    write_text_whole(path, text)


def read_attack(path: Path) -> tuple[Trigger, PoisonPlan]:
    """Read the trigger and poisoning plan from a file that `write_attack` wrote; InputError for any other file."""
    if not path.is_file():
        raise InputError(
            f"expected an attack file, got {path}, which does not exist; doldrum train --attack writes one"
        )
    if path.stat().st_size > _LARGEST:
        raise InputError(
            f"expected an attack file of at most {_LARGEST} bytes, got a larger file, {path}; give the file that doldrum train --attack wrote"
        )
    try:
        return _parsed(_record(path.read_text(encoding="utf-8")))
    except (UnicodeDecodeError, InputError) as error:
        raise InputError(f"{path}: {error}") from error


def write_poisoned(path: Path, bad: PoisonedSet, *, attack: str) -> None:
    """Write a poisoned set to an .npz file. The file is written completely or not at all."""
    record = {
        "attack": attack,
        "trigger": bad.trigger.to_dict(),
        "plan": bad.plan.to_dict(),
        "seed": bad.seed,
        "class_names": list(bad.class_names),
    }

    write_arrays(
        path,
        images=bad.images,
        labels=np.asarray(bad.labels),
        poisoned=bad.poisoned,
        cover=bad.cover,
        original_labels=bad.original_labels,
        attack=np.array(json.dumps(record)),
    )


def write_arrays(path: Path, **arrays: Any) -> None:
    """Write arrays as an .npz file, whole or not at all."""

    def write(draft: Path) -> None:
        with draft.open("wb") as file:  # given a name, NumPy would add .npz to it
            np.savez_compressed(file, **arrays)

    write_whole(path, write)


def read_poisoned(path: str | Path) -> tuple[ImageSet, dict[str, Any] | None]:
    """The images of an .npz file, and its attack if `doldrum poison` wrote the file (else None)."""
    found = read_array(path)
    with np.load(path, allow_pickle=False) as arrays:
        text = arrays["attack"] if "attack" in arrays.files else None
    if text is None or text.dtype.kind != "U" or text.ndim:
        return found, None
    try:
        record = _record(str(text))
        _parsed(record)
        names = record.pop("class_names", None)
        if not isinstance(names, list):
            raise InputError(
                "expected class_names in the attack's record, got none; write the file with doldrum poison"
            )
        return dataclasses.replace(found, class_names=tuple(map(str, names))), record
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _record(text: str) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"expected the attack's record as JSON, got {error}; write the file with doldrum train --attack"
        ) from error
    if not isinstance(record, dict) or not {"attack", "trigger", "plan"} <= set(record):
        raise InputError(
            "expected a JSON object with the fields attack, trigger and plan, got JSON that lacks one of these fields; write the file with doldrum train"
        )
    return record


def _parsed(record: dict[str, Any]) -> tuple[Trigger, PoisonPlan]:
    from doldrum.attacks import load_trigger

    if not isinstance(record["plan"], dict):
        raise InputError(
            f"expected a plan with named fields, got {type(record['plan']).__name__}; write it with doldrum train"
        )
    return load_trigger(record["trigger"]), PoisonPlan.from_dict(record["plan"])
