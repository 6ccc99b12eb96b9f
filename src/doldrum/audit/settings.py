"""AuditSettings: everything that decides an audit, checked before any work."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import ClassVar

from doldrum.checks import is_number, whole_number
from doldrum.confined.settings import JobSettings, check_positive, check_share
from doldrum.errors import InputError

__all__ = ["AuditSettings", "seconds_of"]

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, kw_only=True)
class AuditSettings(JobSettings):
    """What `doldrum audit` was asked for, beside what every job is: :class:`doldrum.confined.settings.JobSettings`.

    Parameters
    ----------
    images : str
        The images to scan; what they may be, `doldrum.intake.open_images` says.
    clean : str, optional
        Clean images, as they come, used for nothing else. Without them images are ranked, not flagged.
    fpr, fdr : float in (0, 1)
        The promised false-positive rate, and the share of clean images allowed in the set of discoveries.
    claimed_accuracy : float, optional
        What somebody says the model reaches on images like the clean ones, in [0, 1].
    budget : float, optional
        Seconds that an audit may take from the opening of the model on; the number of draws is fitted to it. Where it takes longer all the
        same, scanning ends with the batch in hand, and images not reached are listed as skipped. A run that goes on has all of it again.
    explain : int
        How many of the most suspicious flagged images are explained, from 0 to 64; takes at most a quarter of the forwards of the scan (or 100,000, of
        a model that is no endpoint).

    Raises InputError for anything of another kind or range, and for files that are not there.

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
    explain: int = 8

    def __post_init__(self) -> None:
        check_share("fpr", self.fpr)
        check_share("fdr", self.fdr)
        claimed = self.claimed_accuracy
        if claimed is not None and not (is_number(claimed) and 0 <= claimed <= 1):
            raise InputError(f"expected claimed_accuracy= in [0, 1], got {claimed!r}; 0.93 for 93%")
        if self.budget is not None:
            check_positive("budget", self.budget)
        whole_number(self.explain, "explain=", least=0, most=64)
        super().__post_init__()

    def command(self, seed: int) -> str:
        """The command that repeats this audit, with its seed.

        >>> AuditSettings(model=".", images=".", out="a b", mean=(0.5,)).command(7)
        "doldrum audit . --images . --mean 0.5 --out 'a b' --seed 7"
        """
        words = ["doldrum", "audit", self.shown_model, "--images", self.images, *self.options("images")]
        return shlex.join([*words, "--seed", str(seed)])


def seconds_of(text: str) -> float:
    """Seconds in a duration such as 90, 90s, 5m or 1.5h.

    >>> seconds_of("5m"), seconds_of("90")
    (300.0, 90.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not found or float(found[1]) <= 0:
        raise InputError(f"expected a duration such as 90s, 5m or 1.5h, got {text!r}")
    return float(found[1]) * _UNITS[found[2]]
