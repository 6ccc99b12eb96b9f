"""`InspectSettings`: all settings of an inspection, checked before any work starts."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from doldrum.checks import is_number, is_whole
from doldrum.confined.settings import JobSettings, check_positive, check_share
from doldrum.data import is_dataset
from doldrum.errors import InputError
from doldrum.spread import check_workers

__all__ = ["InspectSettings"]

_FREE = ("workers", "ray", "budget")  # what may differ where a run goes on, beside what may for every job


@dataclass(frozen=True, kw_only=True)
class InspectSettings(JobSettings):
    """The settings of `doldrum inspect`, in addition to those of :class:`doldrum.confined.settings.JobSettings`.

    Parameters
    ----------
    clean : str
        At least 20 clean images of several classes, or a split of one of doldrum's data sets, such as
        "fashion-mnist:test".
    references : str, optional
        A folder of clean models of the same kind as the inspected model. Without references, no false-alarm rate is
        promised.
    fpr : float in (0, 1)
        The promised rate of false alarms, if there are references.
    inspectors : names, optional
        The names of the inspectors to run. The default is `doldrum.inspectors.kinds.DEFAULT`.
    seed : int
        The seed is 0 by default. Unlike the seeds of other jobs, this seed is not secret. A model can be compared only
        with stored reference results of the same seed.
    claimed_accuracy : float, optional
        The accuracy, in [0, 1], that the model is said to have on images like the clean images.
    budget : float, optional
        Seconds that the inspection of the model may take. The record lists the inspectors that do not finish in this
        time. The time for references does not count, because they are examined only once.
    workers : int, optional
        The number of references that are examined at the same time. The default is 1 reference or, on a cluster, one
        reference per CPU.
    ray : str, optional
        The address of a Ray cluster whose machines examine references. Models and clean images must have the same paths
        on every machine.

        Raises InputError for values of a wrong type or outside of their range, and for files that do not exist.

    >>> InspectSettings(model=".", clean=".", out="new", fpr=2.0)
    Traceback (most recent call last):
    doldrum.errors.InputError: expected fpr= between 0 and 1, got 2.0; e.g. 0.01
    """

    SOURCES: ClassVar[tuple[str, ...]] = ("clean",)

    clean: str
    references: str | None = None
    fpr: float = 0.05
    inspectors: tuple[str, ...] | None = None
    seed: int | None = 0
    claimed_accuracy: float | None = None
    budget: float | None = None
    workers: int | None = None
    ray: str | None = None

    def __post_init__(self) -> None:
        check_share("fpr", self.fpr)
        claimed = self.claimed_accuracy
        if claimed is not None and not (is_number(claimed) and 0 <= claimed <= 1):
            raise InputError(f"expected claimed_accuracy= in [0, 1], got {claimed!r}; 0.93 for 93%")
        if self.budget is not None:
            check_positive("budget", self.budget)
        check_workers(self.workers, ray=self.ray)
        if not is_whole(self.seed) or (self.seed or 0) < 0:
            raise InputError(f"expected a whole number of at least 0 as seed=, got {self.seed!r}; 0 is the default")
        if self.inspectors is not None:
            self._check_inspectors()
        if self.references is not None and not Path(self.references).is_dir():
            raise InputError(
                f"expected references= as a folder of clean models, got {self.references}; doldrum references makes one"
            )
        super().__post_init__()

    def _check_inspectors(self) -> None:
        from doldrum.inspectors.kinds import INSPECTORS

        given = tuple(dict.fromkeys(self.inspectors or ()))
        odd = [name for name in given if name not in INSPECTORS]
        if odd or not given:
            got = repr(odd[0]) if odd else "none"
            raise InputError(
                f"expected inspectors= among {', '.join(INSPECTORS)}, got {got}; pick some, or leave inspectors= out for the usual inspectors"
            )
        object.__setattr__(self, "inspectors", tuple(name for name in INSPECTORS if name in given))

    def is_there(self, path: str) -> bool:
        return super().is_there(path) or is_dataset(path)

    def to_dict(self) -> dict[str, Any]:
        made = super().to_dict()
        return made | {"references": None if self.references is None else str(Path(self.references).resolve())}

    def lasting(self) -> dict[str, Any]:
        return {name: value for name, value in super().lasting().items() if name not in _FREE}

    def command(self) -> str:
        """The command that repeats this inspection.

        >>> InspectSettings(model=".", clean=".", out="a b", inspectors=("mask",)).command()
        "doldrum inspect . --clean . --inspectors mask --out 'a b'"
        """
        words = ["doldrum", "inspect", self.shown_model, "--clean", self.clean]
        for field in sorted(fields(self), key=lambda one: one.name == "out"):
            value = getattr(self, field.name)
            if field.name in ("model", "clean", "workers", "ray") or value == field.default:
                continue
            words.append(f"--{field.name.replace('_', '-')}")
            if isinstance(value, tuple):
                parts = [v if isinstance(v, str) else f"{v:g}" for v in value]
                words.append(("x" if field.name == "size" else ",").join(parts))
            elif value is not True:
                words.append(f"{value:g}" if isinstance(value, float) else str(value))
        return shlex.join(words)
