"""RepairSettings: everything that decides a repair, checked before any work."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from doldrum.checks import is_whole
from doldrum.confined.settings import JobSettings
from doldrum.data import is_dataset
from doldrum.errors import InputError
from doldrum.repairing.job.inspected import Inspected, read_inspected

__all__ = ["SUFFIXES", "RepairSettings", "report_folder"]

SUFFIXES = (".safetensors", ".onnx")


def report_folder(repaired: str | Path) -> Path:
    """The folder beside a repaired model that holds what was found.

    >>> report_folder("models/repaired.onnx").as_posix()
    'models/repaired-report'
    """
    path = Path(repaired)
    return path.with_name(f"{path.stem}-report")


@dataclass(frozen=True, kw_only=True)
class RepairSettings(JobSettings):
    """What `doldrum repair` was asked for, beside what every job is: :class:`doldrum.confined.settings.JobSettings`, whose `out` is the folder of the report.

    Parameters
    ----------
    clean : str
        Clean images, or a split of a data set that doldrum knows, such as "fashion-mnist:test". 40 or more, of several classes.
    repaired : str
        The file to write: .onnx for an ONNX model, .safetensors for weights.
    inspection : str, optional
        The folder of an inspection of this model that found a trigger.
    method : str, optional
        A name in `doldrum.repairing.METHODS`; by default "unlearn" with a trigger, "fine-prune" without.
    seed : int, optional
        By default the inspection's, or 0. It is no secret: with the inspection's, no image that the repair is tested on was seen by its search.

    Raises InputError for anything of another kind or range, and for files that are not there.

    >>> RepairSettings(model=".", clean=".", repaired="new.txt", out="new")
    Traceback (most recent call last):
    doldrum.errors.InputError: expected --out as a file .safetensors or .onnx, got new.txt; name another
    """

    SOURCES: ClassVar[tuple[str, ...]] = ("clean",)

    clean: str
    repaired: str
    inspection: str | None = None
    method: str | None = None

    def __post_init__(self) -> None:
        from doldrum.repairing import METHODS

        path = Path(self.repaired)
        if path.suffix not in SUFFIXES:
            raise InputError(f"expected --out as a file {' or '.join(SUFFIXES)}, got {path}; name another")
        if self.method is not None and self.method not in METHODS:
            raise InputError(f"expected method= among {', '.join(METHODS)}, got {self.method!r}; pick one")
        if self.seed is not None and not (is_whole(self.seed) and self.seed >= 0):
            raise InputError(f"expected a whole number of at least 0 as seed=, got {self.seed!r}; 0 is the default")
        super().__post_init__()
        if self.remote:
            raise InputError("expected a model in a file, got an address: its weights can't be reached; give the file")
        found = self.inspected()
        if self.seed is None:
            object.__setattr__(self, "seed", 0 if found is None else found.seed)

    def inspected(self) -> Inspected | None:
        """What the inspection found, read and checked; None without one."""
        return None if self.inspection is None else read_inspected(self.inspection, model=self.path)

    def is_there(self, path: str) -> bool:
        return super().is_there(path) or is_dataset(path)

    def to_dict(self) -> dict[str, Any]:
        made = super().to_dict() | {"repaired": str(Path(self.repaired).resolve())}
        return made | {"inspection": None if self.inspection is None else str(Path(self.inspection).resolve())}

    def command(self) -> str:
        """The command that repeats this.

        >>> RepairSettings(model=".", clean=".", repaired="a b.onnx", out="new").command()
        "doldrum repair . --clean . --out 'a b.onnx' --seed 0"
        """
        words = ["doldrum", "repair", self.shown_model, "--clean", self.clean, "--out", self.repaired]
        return shlex.join([*words, *self.options("clean", "repaired", "out"), "--seed", str(self.seed)])
