"""How a model was opened, as flags, and whether what is asked for is how a detector's model was opened."""

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
    """What decides a model's answers, as it was opened: what was asked for, what its files say, and defaults."""
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
    """The model of a detector's file `guard`, opened as it was calibrated, and bound to the detector.

    Raises InputError for options that say otherwise, for another model, and for one that several workers can't use.
    """
    from doldrum.opening import ModelSettings

    settings = ModelSettings(model=model, **_as_calibrated(asked, detector.preprocessing, guard=guard))
    check_spread(settings, workers, ray)
    suspect = load_model(settings, guarded=True)
    _check_as_calibrated(asked, effective(suspect, settings), guard=guard)
    if (difference := detector.differs_from(suspect.classifier)) is not None:
        raise InputError(
            f"{settings.shown_model} is not the model that {guard} was calibrated for ({difference}); calibrate again, or name the "
            "right model"
        )
    detector.bind(suspect.classifier)
    return suspect, settings


def _as_calibrated(asked: Mapping[str, Any], kept: Mapping[str, Any], *, guard: Path) -> dict[str, Any]:
    """The options to open a detector's model with: as it was calibrated, and those of `asked` that change no answer.

    Raises InputError for what can be seen to differ before the model is opened.
    """
    from doldrum.opening.settings import PREPROCESSING

    known = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
    before = {name: value for name, value in asked.items() if name in known or name in _ALONE}
    _check_as_calibrated(before, known, guard=guard)
    return {**known, **{name: value for name, value in asked.items() if name not in PREPROCESSING}}


def _check_as_calibrated(asked: Mapping[str, Any], known: Mapping[str, Any], *, guard: Path) -> None:
    """InputError, naming the flag, where an option asks for something else than the model of a detector's file was opened with."""
    from doldrum.opening.settings import PREPROCESSING

    for name in PREPROCESSING:
        if name not in asked or _plain(asked[name]) == _plain(known.get(name)):
            continue
        got = as_flag(name, asked[name])
        if name in known:
            expected = f"{as_flag(name, known[name])}, with which {guard} was calibrated, got {as_flag(name, asked[name], bare=True)}"
        else:
            expected = f"no {got.partition(' ')[0]}, since {guard} was calibrated without it, got {as_flag(name, asked[name], bare=True)}"
        raise InputError(f"expected {expected}; leave this option out, or calibrate again")


def as_flag(name: str, value: Any, *, bare: bool = False) -> str:
    """A setting of a model as the command line takes it; `bare` without the flag's name.

    >>> as_flag("mean", (0.485, 0.456, 0.406)), as_flag("size", (224, 192)), as_flag("num_classes", 10, bare=True)
    ('--mean 0.485,0.456,0.406', '--size 224x192', '10')
    """
    values = list(value) if isinstance(value, (tuple, list)) else [value]
    shown = [f"{v:.6g}" if isinstance(v, float) else str(v) for v in values]
    text = ("x" if name == "size" else ",").join(shown)
    return text if bare else f"--{name.replace('_', '-')} {text}"


def _plain(value: Any) -> Any:
    """Numbers as floats, and a tuple of equal means or deviations as one."""
    if isinstance(value, (tuple, list)):
        numbers = tuple(float(v) for v in value)
        return numbers[0] if len(set(numbers)) == 1 else numbers
    return float(value) if isinstance(value, int) else value
