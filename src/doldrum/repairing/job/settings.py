"""`RepairSettings`: all settings of a repair, checked before any work starts."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from doldrum.checks import is_whole
from doldrum.confined.settings import JobSettings
from doldrum.data import is_dataset
from doldrum.errors import InputError
from doldrum.repairing.job.found import Found, read_explanation, read_inspection

__all__ = ["SUFFIXES", "RepairSettings", "report_folder"]

SUFFIXES = (".safetensors", ".onnx")


def report_folder(repaired: str | Path) -> Path:
    """Return the path of the folder for the report, which is next to the repaired model.

    >>> report_folder("models/repaired.onnx").as_posix()
    'models/repaired-report'
    """
    path = Path(repaired)
    return path.with_name(f"{path.stem}-report")


@dataclass(frozen=True, kw_only=True)
class RepairSettings(JobSettings):
    """The settings of `doldrum repair`, in addition to those of :class:`doldrum.confined.settings.JobSettings`.

    `out` is the folder of the report.

    Parameters
    ----------
    clean : str
        At least 40 clean images of several classes, or a split of one of doldrum's data sets, such as
        "fashion-mnist:test".
    repaired : str
        The file to write: .onnx for an ONNX model, .safetensors for weights.
    inspection : str, optional
        The folder of an inspection of this model that found a trigger.
    explanation : str, optional
        Instead of an inspection, the folder of an explanation with this model that proved a trigger.
    method : str, optional
        A name in `doldrum.repairing.METHODS`; by default "unlearn" with a trigger, "fine-prune" without.
    seed : int, optional
        The default is the inspection's seed, or 0 without an inspection. The seed is not secret. With the inspection's
        seed, the repair is tested only on images that the inspection's search did not use. With an explanation, the
        repair is never tested on images that the explanation's search used; this holds for every seed.

        Raises InputError for values of a wrong type or outside of their range, and for files that do not exist.

    >>> RepairSettings(model=".", clean=".", repaired="new.txt", out="new")
    Traceback (most recent call last):
    doldrum.errors.InputError: expected --out as a file that ends in .safetensors or .onnx, got new.txt; name another
    file
    """

    SOURCES: ClassVar[tuple[str, ...]] = ("clean",)
    CALLED: ClassVar[Mapping[str, str]] = {"trigger": "trigger in the folder of its inspection or explanation"}

    clean: str
    repaired: str
    inspection: str | None = None
    explanation: str | None = None
    method: str | None = None

    def __post_init__(self) -> None:
        from doldrum.repairing.kinds import METHODS, WITHOUT_TRIGGER

        path = Path(self.repaired)
        if path.suffix not in SUFFIXES:
            raise InputError(
                f"expected --out as a file that ends in {' or '.join(SUFFIXES)}, got {path}; name another file"
            )
        if self.method is not None and self.method not in METHODS:
            raise InputError(
                f"expected the name of a repair method as method= ({', '.join(METHODS)}), got {self.method!r}; pick one of these names"
            )
        if self.seed is not None and not (is_whole(self.seed) and self.seed >= 0):
            raise InputError(f"expected a whole number of at least 0 as seed=, got {self.seed!r}; 0 is the default")
        super().__post_init__()
        if self.remote:
            raise InputError("expected a model in a file, got an address: its weights can't be reached; give the file")
        if self.inspection is not None and self.explanation is not None:
            raise InputError(
                "expected inspection= or explanation=, got both; give the one whose trigger is to be unlearned"
            )
        if self.found is None and self.method is not None and METHODS[self.method].needs_trigger:
            raise InputError(
                f"expected inspection= or explanation= for the method {self.method}, which unlearns a trigger, got neither; inspect the model first, or explain a flagged "
                f"image, or use the method {WITHOUT_TRIGGER}"
            )
        if self.seed is None:
            object.__setattr__(self, "seed", 0 if self.found is None or self.found.seed is None else self.found.seed)

    @cached_property
    def found(self) -> Found | None:
        """The trigger that the inspection or the explanation found. The trigger's file is read only once, and checked.
        The result is None if the settings name no inspection and no explanation.
        """
        if self.explanation is not None:
            return read_explanation(self.explanation, model=self.path)
        return None if self.inspection is None else read_inspection(self.inspection, model=self.path)

    def is_there(self, path: str) -> bool:
        return super().is_there(path) or is_dataset(path)

    def to_dict(self) -> dict[str, Any]:
        made = super().to_dict() | {"repaired": str(Path(self.repaired).resolve())}
        given = {"inspection": self.inspection, "explanation": self.explanation}
        return made | {name: None if path is None else str(Path(path).resolve()) for name, path in given.items()}

    def lasting(self) -> dict[str, Any]:
        """Return the settings that must stay the same when an interrupted run is continued, with a digest of the
        trigger."""
        found = None if self.found is None else json.dumps(asdict(self.found), sort_keys=True)
        return super().lasting() | {"trigger": found and hashlib.sha256(found.encode()).hexdigest()}

    def command(self) -> str:
        """The command that repeats this repair.

        >>> RepairSettings(model=".", clean=".", repaired="a b.onnx", out="new").command()
        "doldrum repair . --clean . --out 'a b.onnx' --seed 0"
        """
        words = ["doldrum", "repair", self.shown_model, "--clean", self.clean, "--out", self.repaired]
        return shlex.join([*words, *self.options("clean", "repaired", "out"), "--seed", str(self.seed)])
