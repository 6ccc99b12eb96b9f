"""Fields that the records of audits, inspections and repairs share, and the functions that check these fields.

Each function returns the value in the form that is stored, or raises InputError. The texts in these fields may come from an
attacker. Escape each text of a record at the place where the text is used.
"""

from __future__ import annotations

from typing import Any

from doldrum.errors import InputError
from doldrum.records.base import check_version
from doldrum.records.checks import check_order, jsonable, sequence, share, whole

__all__ = ["accuracy", "check_head", "counted_share", "keys", "model", "text", "texts", "verdict"]

TEXT = 4000  # characters of one text
_CLASSES = 100_000
_MODEL = ("name", "sha256", "format", "input_shape", "num_classes", "class_names", "preprocessing", "notes")


def keys(values: Any, name: str, wanted: tuple[str, ...]) -> dict[str, Any]:
    """Check that `values` is an object with exactly the keys `wanted`, and return it after a conversion to JSON and back."""
    found = jsonable(values, name)
    if set(found) != set(wanted):
        raise InputError(
            f"expected {name} with keys {sorted(wanted)}, got the keys {sorted(found)[:20]}; run the same command again"
        )
    return found


def text(value: Any, name: str, most: int = TEXT) -> str:
    if not isinstance(value, str) or len(value) > most:
        kind = f"{len(value):,} characters" if isinstance(value, str) else type(value).__name__
        raise InputError(f"expected {name} as text of at most {most:,} characters, got {kind}; shorten it")
    return value


def texts(values: Any, name: str, most: int) -> list[str]:
    found = sequence(values, name)
    if len(found) > most:
        raise InputError(f"expected at most {most:,} texts in {name}, got {len(found):,} texts; leave some out")
    return [text(v, name) for v in found]


def check_head(record: Any) -> None:
    """Check the first fields of a record: version, created, doldrum, command, seed, model.

    The seed and the model in the record are replaced by their checked values, although the record is frozen.
    """
    check_version(record.version)
    for name in ("created", "doldrum", "command"):
        text(getattr(record, name), name)
    object.__setattr__(record, "seed", whole(record.seed, "seed"))
    object.__setattr__(record, "model", model(record.model))


def model(values: Any) -> dict[str, Any]:
    """Check {name, sha256, format, input_shape (C, H, W), num_classes, class_names or null, preprocessing or null, notes: [text]}."""
    found = keys(values, "model", _MODEL)
    shape = [whole(s, "input_shape", least=1) for s in sequence(found["input_shape"], "input_shape")]
    if len(shape) != 3:
        raise InputError(f"expected an input shape (C, H, W), got {shape}; channels first")
    for name in ("name", "sha256", "format"):
        text(found[name], f"model {name}")
    classes = whole(found["num_classes"], "num_classes", least=1)
    if found["class_names"] is not None and len(texts(found["class_names"], "class_names", _CLASSES)) != classes:
        raise InputError(
            f"expected {classes} class names, got {len(found['class_names'])}; give one name per class, or null"
        )
    if found["preprocessing"] is not None:
        jsonable(found["preprocessing"], "preprocessing")
    texts(found["notes"], "notes", 100)
    return found


def accuracy(values: Any, claimed: Any) -> None:
    """Check a measured accuracy, {value, lower, upper, labelled} or null, and the accuracy that is claimed, or null."""
    if values is not None:
        found = keys(values, "accuracy", ("value", "lower", "upper", "labelled"))
        for name in ("value", "lower", "upper"):
            share(found[name], f"accuracy {name}")
        check_order(found["lower"], found["upper"], "accuracy")
        whole(found["labelled"], "labelled", least=1)
    if claimed is not None:
        share(claimed, "claimed")


def counted_share(values: Any, name: str) -> dict[str, Any]:
    """Check {hits, n, value, lower, upper}, a share of `n` images with its confidence interval."""
    found = keys(values, name, ("hits", "n", "value", "lower", "upper"))
    if whole(found["hits"], "hits") > whole(found["n"], "n", least=1):
        raise InputError(f"expected no more hits than images, got {found['hits']} of {found['n']}")
    for key in ("value", "lower", "upper"):
        share(found[key], f"{name} {key}")
    check_order(found["lower"], found["upper"], name)
    return found


def verdict(values: Any, more: tuple[str, ...] = ()) -> dict[str, Any]:
    """Check a verdict: {exit_code: 0 or 3, heading, sentences: [text]}, with the additional keys in `more`. The caller
    checks the values of the additional keys."""
    found = keys(values, "verdict", ("exit_code", "heading", "sentences", *more))
    if isinstance(found["exit_code"], bool) or found["exit_code"] not in (0, 3):
        raise InputError(f"expected exit code 0 or 3, got {found['exit_code']!r}; other codes mean errors")
    text(found["heading"], "heading")
    texts(found["sentences"], "sentences", 100)
    return found
