"""AuditSettings: all settings of an audit, which are checked before any work."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from doldrum.checks import is_number, whole_number
from doldrum.confined.settings import JobSettings, check_positive, check_share
from doldrum.data import is_dataset
from doldrum.errors import InputError
from doldrum.inspecting import InspectSettings
from doldrum.spread import check_workers

__all__ = ["INSPECTION", "AuditSettings", "seconds_of"]

INSPECTION = "inspection"
"""The folder of an audit's inspection, with its record.json, trigger.json and pictures/. An interrupted inspection is
continued in this folder."""

_HALF_AN_HOUR = 1800.0
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, kw_only=True)
class AuditSettings(JobSettings):
    """The settings of `doldrum audit`, in addition to the settings of every job (:class:`doldrum.confined.settings.JobSettings`).

    Parameters
    ----------
    images : str
        The images to scan, in any form that `doldrum.intake.open_images` takes.
    clean : str, optional
        Clean images that were not picked by hand and serve no other purpose. A name such as "fashion-mnist:test"
        selects a split of a data set that doldrum knows. Without clean images, the scanned images are ranked by
        suspicion but not flagged.
    fpr, fdr : float in (0, 1)
        The promised false-positive rate (`fpr`), and the largest share of clean images that is allowed among the
        discoveries (`fdr`).
    claimed_accuracy : float, optional
        The accuracy, in [0, 1], that the model's provider claims for images like the clean images.
    inspect : bool, optional
        Whether to inspect the model itself too, using the clean images (:func:`doldrum.inspecting.run_inspection`). By
        default, the model is inspected if there are clean images and the model is a file. A model at an address is
        inspected only if you set `inspect=True` or give `references`.
    references, model_fpr : str, optional, and float in (0, 1)
        Two settings of the inspection: `references` is a folder of clean models that are like the model to inspect, and
        `model_fpr` is the promised rate of false alarms.
    budget : float, optional
        The largest number of seconds that an audit may take, counted from the moment when the model is opened. The
        number of draws (noisy copies of an image) is chosen to fit this time. If the scan takes longer anyway, it ends
        with the current batch, and images that were not reached are listed as skipped. If an interrupted audit is
        continued, the full time is available again. If the model is inspected too, the scan and the inspection get half
        of the time each. Without a budget, the inspection takes at most half an hour.
    explain : int
        The number of flagged images to explain (0 to 64), the most suspicious first. The explanations take at most a
        quarter of the scan's forward passes. For a model in a file, 100,000 forward passes are always allowed, even if
        a quarter of the scan's forward passes is less.
    workers : int, optional
        The number of confined processes that measure, with one thread each. By default, one process uses all cores. Without a budget, the result is
        the same for every number of processes. With a budget, more processes leave time for more draws. With `references`, `workers` is also the
        number of reference models that are examined at the same time.
    ray : str, optional
        The address of a Ray cluster whose machines do the measuring, by default with one worker per CPU. The model's
        files must have the same path on every machine of the cluster. With `references`, every machine must also have
        the reference models and the clean images.

    Raises InputError for values of another type or range, and for files that do not exist.

    >>> AuditSettings(model="m.onnx", images="x", out="r", fpr=2.0)
    Traceback (most recent call last):
    doldrum.errors.InputError: expected fpr= between 0 and 1, got 2.0; e.g. 0.01
    """

    SOURCES: ClassVar[tuple[str, ...]] = ("images", "clean")

    images: str
    clean: str | None = None
    fpr: float = 0.01
    fdr: float = 0.1
    claimed_accuracy: float | None = None
    budget: float | None = None
    inspect: bool | None = None
    references: str | None = None
    model_fpr: float = 0.05
    explain: int = 8
    workers: int | None = None
    ray: str | None = None

    def __post_init__(self) -> None:
        check_share("fpr", self.fpr)
        check_share("fdr", self.fdr)
        claimed = self.claimed_accuracy
        if claimed is not None and not (is_number(claimed) and 0 <= claimed <= 1):
            raise InputError(f"expected claimed_accuracy= in [0, 1], got {claimed!r}; write 0.93 for 93%")
        if self.budget is not None:
            check_positive("budget", self.budget)
        check_share("model_fpr", self.model_fpr)
        for name, given in (("inspect", self.inspect), ("references", self.references)):
            if given and self.clean is None:
                raise InputError(
                    f"expected clean images (clean=) together with {name}=, got no clean images; give some, or leave {name}= out"
                )
        if self.references is not None and self.inspect is False:
            raise InputError(
                "expected references= with an inspection, got inspect=False; leave out references= or inspect=False"
            )
        whole_number(self.explain, "explain=", least=0, most=64)
        check_workers(self.workers, ray=self.ray)
        super().__post_init__()
        if self.spreads and self.remote:
            raise InputError(
                "expected a model in a file with workers= or ray=, got an address; leave out workers= and ray=: the model's server sets the speed"
            )

    @property
    def spreads(self) -> bool:
        """Whether workers do the measuring."""
        return self.ray is not None or (self.workers or 1) > 1

    @property
    def inspects(self) -> bool:
        """Whether the audit also inspects the model itself."""
        by_default = not self.remote or self.references is not None
        return self.clean is not None and (by_default if self.inspect is None else self.inspect)

    @property
    def share(self) -> float:
        """The share of the audit's time budget that is for the scan. The rest of the budget is for the inspection."""
        return 0.5 if self.inspects else 1.0

    @property
    def inspection(self) -> InspectSettings | None:
        """The settings of the inspection; None if the model is not inspected. The inspection gets half of the time
        budget. If there is no time budget, the inspection gets half an hour."""
        if not self.inspects or self.clean is None:
            return None
        shared = {
            field.name: getattr(self, field.name) for field in fields(JobSettings) if field.name not in ("seed", "out")
        }
        return InspectSettings(
            **shared,
            out=str(Path(self.out) / INSPECTION),
            clean=self.clean,
            references=self.references,
            fpr=self.model_fpr,
            claimed_accuracy=self.claimed_accuracy,
            workers=self.workers,
            ray=self.ray,
            budget=_HALF_AN_HOUR if self.budget is None else self.budget * (1 - self.share),
        )

    def is_there(self, path: str) -> bool:
        return super().is_there(path) or (path == self.clean and is_dataset(path))

    def to_dict(self) -> dict[str, Any]:
        made = super().to_dict()
        return made | {"references": None if self.references is None else str(Path(self.references).resolve())}

    def lasting(self) -> dict[str, Any]:
        return {name: value for name, value in super().lasting().items() if name not in ("workers", "ray")}

    def command(self, seed: int) -> str:
        """The command that repeats this audit, with its seed.

        >>> AuditSettings(model=".", images=".", out="a b", mean=(0.5,)).command(7)
        "doldrum audit . --images . --mean 0.5 --out 'a b' --seed 7"
        """
        words = [
            "doldrum",
            "audit",
            self.shown_model,
            "--images",
            self.images,
            *self.options("images", "workers", "ray"),
        ]
        return shlex.join([*words, "--seed", str(seed)])


def seconds_of(text: str) -> float:
    """Convert a duration such as 90, 90s, 5m or 1.5h to a number of seconds.

    >>> seconds_of("5m"), seconds_of("90")
    (300.0, 90.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not found or float(found[1]) <= 0:
        raise InputError(f"expected a duration such as 90s, 5m or 1.5h, got {text!r}")
    return float(found[1]) * _UNITS[found[2]]
