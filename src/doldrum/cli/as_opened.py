"""Check that a command's options match the settings that a detector's model was opened with, and write such settings as flags."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doldrum.cli.inputs import check_spread, load_model
from doldrum.errors import InputError

if TYPE_CHECKING:
    from doldrum.detectors import Detector
    from doldrum.opening import ModelSettings
    from doldrum.suspects import Suspect

__all__ = ["as_flag", "effective", "open_as_calibrated"]

_ALONE = ("arch", "output_name")  # they have no default to compare with


def effective(suspect: Suspect, settings: ModelSettings) -> dict[str, Any]:
    """All settings that affect an opened model's outputs: the given options, the values in its files, and defaults."""
    found, model = suspect.preprocessing, suspect.classifier
    known = {
        "size": found.size, "channels": found.channels, "scale": found.scale, "mean": found.mean, "std": found.std,
        "outputs": model.outputs, "num_classes": model.num_classes, "resize": settings.resize,
    }  # fmt: skip
    return known | {name: getattr(settings, name) for name in _ALONE if getattr(settings, name) is not None}


def open_as_calibrated(
    model: str,
    asked: Mapping[str, Any],
    detector: Detector,
    *,
    guard: Path,
    workers: int | None = None,
    ray: str | None = None,
) -> tuple[Suspect, ModelSettings]:
    """Open a model with the settings that its detector was calibrated with, and attach the detector to the model.

    `guard` is the detector's file. Raises InputError if an option differs from the settings of the calibration, if the
    detector was calibrated for another model, or if several workers can't use the model.
    """
    from doldrum.opening import ModelSettings

    settings = ModelSettings(model=model, **_as_calibrated(asked, detector.preprocessing, guard=guard))
    check_spread(settings, workers, ray)
    suspect = load_model(settings, guarded=True)
    _check_as_calibrated(asked, effective(suspect, settings), guard=guard)
    if (difference := detector.differs_from(suspect.classifier)) is not None:
        raise InputError(
            f"the model {settings.shown_model} is not the model that the detector {guard} was calibrated for ({difference}); calibrate again, or name the "
            "right model"
        )
    detector.bind(suspect.classifier)
    return suspect, settings


def _as_calibrated(asked: Mapping[str, Any], kept: Mapping[str, Any], *, guard: Path) -> dict[str, Any]:
    """Return the options with which a detector's model is opened: the options of the calibration, and the options in
    `asked` that don't affect the model's outputs.

    Raises InputError for differences that can be found before the model is opened.
    """
    from doldrum.opening.settings import PREPROCESSING

    known = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
    before = {name: value for name, value in asked.items() if name in known or name in _ALONE}
    _check_as_calibrated(before, known, guard=guard)
    return {**known, **{name: value for name, value in asked.items() if name not in PREPROCESSING}}


def _check_as_calibrated(asked: Mapping[str, Any], known: Mapping[str, Any], *, guard: Path) -> None:
    """Raise InputError if an option in `asked` differs from how the detector's model was opened. The error message
    names the option that differs."""
    from doldrum.opening.settings import PREPROCESSING

    for name in PREPROCESSING:
        if name not in asked or _plain(asked[name]) == _plain(known.get(name)):
            continue
        got = as_flag(name, asked[name])
        if name in known:
            expected = f"{as_flag(name, known[name])}, as in the calibration of the detector {guard}, got {as_flag(name, asked[name], bare=True)}"
        else:
            expected = f"no option {got.partition(' ')[0]}, since the detector {guard} was calibrated without this option, got {as_flag(name, asked[name], bare=True)}"
        raise InputError(f"expected {expected}; leave this option out, or calibrate again")


def as_flag(name: str, value: Any, *, bare: bool = False) -> str:
    """Write a setting of the model as a command-line option. If `bare` is true, return only the value.

    >>> as_flag("mean", (0.485, 0.456, 0.406)), as_flag("size", (224, 192)), as_flag("num_classes", 10, bare=True)
    ('--mean 0.485,0.456,0.406', '--size 224x192', '10')
    """
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    shown = [f"{v:.6g}" if isinstance(v, float) else str(v) for v in values]
    text = ("x" if name == "size" else ",").join(shown)
    return text if bare else f"--{name.replace('_', '-')} {text}"


def _plain(value: Any) -> Any:
    """Convert a setting to a form that can be compared: a number becomes a float, and a tuple of equal numbers becomes
    a single float."""
    if isinstance(value, (tuple, list)):
        numbers = tuple(float(v) for v in value)
        return numbers[0] if len(set(numbers)) == 1 else numbers
    return float(value) if isinstance(value, int) else value
