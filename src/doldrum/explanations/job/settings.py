"""`ExplanationSettings`: all settings of an explanation, checked before any work starts."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from doldrum.checks import whole_number
from doldrum.confined.settings import JobSettings, check_share
from doldrum.data import is_dataset
from doldrum.errors import InputError

__all__ = ["ExplanationSettings"]


@dataclass(frozen=True, kw_only=True)
class ExplanationSettings(JobSettings):
    """The settings of `doldrum explain`, in addition to those of :class:`doldrum.confined.settings.JobSettings`.

    Parameters
    ----------
    images : paths
        The flagged images, at most 256 in all. `doldrum.intake.open_images` lists the possible formats of a path.
    clean : str
        The path of clean images, or the name of a split of one of doldrum's data sets, such as "fashion-mnist:test".
        The clean images must not be selected by the model's predictions. At least 60 images are needed; 1,000 work
        well.
    alpha : float in (0, 1)
        The largest allowed probability of a wrong proof, if the held-back images are chosen at random.
    queries : int, optional
        The largest number of images sent to the model, over all runs together.

        Raises InputError for values of a wrong type or outside of their range, and for files that do not exist.

    >>> ExplanationSettings(model=".", images=(".",), clean=".", out="new", queries=0)
    Traceback (most recent call last):
    doldrum.errors.InputError: expected a whole number of at least 1 as queries=, got 0; pass one
    """

    SOURCES: ClassVar[tuple[str, ...]] = ("images", "clean")
    CALLED: ClassVar[Mapping[str, str]] = {"images": "IMAGE"}

    images: tuple[str, ...]
    clean: str
    alpha: float = 0.05
    queries: int | None = None

    def __post_init__(self) -> None:
        check_share("alpha", self.alpha)
        if self.queries is not None:
            whole_number(self.queries, "queries=", least=1)
        if isinstance(self.images, str) or not self.images:
            raise InputError("expected images= as several paths, got none or text; pass a tuple of them")
        object.__setattr__(self, "images", tuple(self.images))
        super().__post_init__()

    def is_there(self, path: str) -> bool:
        return super().is_there(path) or (path == self.clean and is_dataset(path))

    def command(self, seed: int) -> str:
        """The command that repeats this explanation with the same seed.

        >>> ExplanationSettings(model=".", images=(".",), clean=".", out="a b").command(7)
        "doldrum explain . . --clean . --out 'a b' --seed 7"
        """
        words = ["doldrum", "explain", self.shown_model, *self.images, "--clean", self.clean]
        return shlex.join([*words, *self.options("images", "clean"), "--seed", str(seed)])
