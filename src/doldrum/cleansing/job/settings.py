"""`CleansingSettings`: all settings of a cleansing, checked before any work starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from doldrum.cleansing import METHODS
from doldrum.cleansing.methods.base import checked_rate
from doldrum.confined.settings import JobSettings, check_share
from doldrum.data import is_dataset
from doldrum.errors import InputError

__all__ = ["CleansingSettings"]


@dataclass(frozen=True, kw_only=True)
class CleansingSettings(JobSettings):
    """The settings of `doldrum cleanse`, in addition to those of :class:`doldrum.confined.settings.JobSettings`.

    Parameters
    ----------
    images : str
        The training set, with labels. `doldrum.intake.open_images` lists the possible formats. `images` and `clean` can
        also be a split of one of doldrum's data sets, such as "fashion-mnist:train".
    clean : str, optional
        Clean images that the model was not trained on. Without clean images, samples are only ranked, and no
        false-positive rate is promised.
    fpr : float in (0, 1)
        The false-positive rate that the method "profile" promises if there are clean images.
    rate : float in (0, .5]
        The largest expected share of poisoned samples. The ranking by the profile applies this share to the whole
        training set, and spectral signatures apply this share to each class.
    method : "profile", "spectral" or "clustering"
        The method that decides which samples are dropped.

        Raises InputError for values of a wrong type or outside of their range, and for files that do not exist.

    >>> CleansingSettings(model=".", images=".", out="new", method="magic")
    Traceback (most recent call last):
    doldrum.errors.InputError: expected a --method among profile, spectral, clustering, got 'magic'; pick one
    """

    SOURCES: ClassVar[tuple[str, ...]] = ("images", "clean")
    CALLED: ClassVar[Mapping[str, str]] = {"images": "training set"}

    images: str
    clean: str | None = None
    fpr: float = 0.05
    rate: float = 0.05
    method: str = "profile"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"expected a --method among {', '.join(METHODS)}, got {self.method!r}; pick one")
        checked_rate(self.rate)
        check_share("fpr", self.fpr)
        if not self.is_there(self.images):
            raise InputError(
                f"expected a training set (a folder, an archive, a table, an array or a split such as fashion-mnist:train), got "
                f"{self.images}, which is not there; check the path"
            )
        super().__post_init__()

    def is_there(self, path: str) -> bool:
        return super().is_there(path) or is_dataset(path)
