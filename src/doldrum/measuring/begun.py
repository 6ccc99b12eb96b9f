"""Compare the settings of an unfinished run in a folder with those of the run that would continue it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from doldrum.errors import InputError
from doldrum.measuring.stored import engine_name

__all__ = ["check_same", "differences"]

_IN_WORDS = {
    "images_hash": "other images",
    "num_classes": "another number of classes",
    "classifier": "another model, or a model opened with other settings",
    "outputs": "another kind of outputs",
    "mixes_inputs": "another setting of whether several inputs share a batch",
}


def check_same(folder: Path, begun: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raise InputError, which names the settings that differ, if an unfinished run has other settings than `asked`.

    Settings that are not in `asked` are not compared.

    >>> check_same(Path("out"), {"probe": {"draws": 50}}, {"probe": {"draws": 100}})
    Traceback (most recent call last):
    doldrum.errors.InputError: expected the settings of the unfinished run in out, got draws=100 (it began with draws=50); use the same settings to continue the run, or name another folder with out=
    """
    found = differences(begun, asked)
    others = {name: values for name, values in found.items() if name not in ("engine", "mixes_inputs")}
    found = others or found  # which engine is fastest can change by itself, and is no matter where more has changed
    if found:
        told = [
            _IN_WORDS.get(name) or f"{_argument(name, now)} (it began with {_argument(name, before)})"
            for name, (before, now) in found.items()
        ]
        raise InputError(
            f"expected the settings of the unfinished run in {folder}, got {', '.join(told)}; use the same settings to continue the run, "
            "or name another folder with out="
        )


def differences(begun: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The settings that differ between two manifests: a dict from each setting's name to (value in `begun`, value in
    `asked`).

    `begun` and `asked` are manifests that were read from JSON. Settings that are not in `asked` are not compared.

    >>> differences({"probe": {"draws": 50, "seed": 0}}, {"probe": {"draws": 100, "seed": 0}})
    {'draws': (50, 100)}
    """
    one, other = _settings(begun), _settings(asked)
    return {name: (one.get(name), value) for name, value in other.items() if one.get(name) != value}


def _settings(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a manifest that can change the measured labels, as a dict without nested dicts."""
    made: dict[str, Any] = {}
    if "probe" in manifest:
        probe: dict[str, Any] = dict(manifest["probe"])
        made |= {
            name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value for name, value in probe.items()
        }
        rule: dict[str, Any] = manifest.get("until") or {}
        told = {"until_decided": "threshold", "until_width": "width", "alpha": "alpha", "of": "of"}
        made |= {name: rule.get(field) for name, field in told.items()}
    if "engine" in manifest:
        made |= {"engine": engine_name(dict(manifest)), "mixes_inputs": manifest["engine"].get("mixes_inputs")}
    return made | {name: manifest[name] for name in (*_IN_WORDS, "level") if name in manifest}


def _argument(name: str, value: Any) -> str:
    if value is None or value is False:
        return f"no {name}="
    return (
        f"{name}=({', '.join(map(str, cast('tuple[Any, ...]', value)))})"
        if isinstance(value, tuple)
        else f"{name}={value!r}"
    )
