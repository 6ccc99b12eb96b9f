"""PoisonPlan: how many samples an attacker poisons, which ones, and which labels they get."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_number, whole_number
from doldrum.errors import InputError

__all__ = ["MODES", "Mode", "PoisonPlan"]

Mode = Literal["all-to-one", "all-to-all", "source-specific", "clean-label"]
MODES: tuple[Mode, ...] = ("all-to-one", "all-to-all", "source-specific", "clean-label")


@dataclass(frozen=True)
class PoisonPlan:
    """The number of samples that an attacker poisons in a training set, which ones, and their labels.

    The settings of a plan are checked at its creation.

    Parameters
    ----------
    rate
        The number of poisoned samples as a share of the **whole** training set, in [0, 1]; it gives `floor(rate * N +
        1/2)` samples.
    target
        The class that the attacker wants (not used by all-to-all).
    mode
        "all-to-one": samples of any class except the target get the trigger and the target's label.
        "all-to-all": samples of any class get the trigger and label y + 1 mod K.
        "source-specific": samples of class `source` get the trigger and the target's label (TaCT).
        "clean-label": samples of the target's class get the trigger and keep their label (SIG, label-consistent).
    source
        The class whose samples get the trigger in the mode "source-specific".
    cover_classes, cover_rate
        Cover samples get the trigger and keep their true labels, so that the model learns when to ignore the trigger.
        `cover_rate` is the share of cover samples in the whole training set. Cover samples come from `cover_classes`.
        If `cover_classes` is empty, cover samples come from any class; in a source-specific plan, they come from any
        class except `source`. A poisoned sample is never a cover sample.
    keep_label
        The share of the poisoned samples that keep their true label (as in the attack LSBA). The number of samples that
        keep their label is rounded.

    Raises InputError for values out of range or settings that contradict each other.

    >>> plan = PoisonPlan(rate=0.05, target=0)
    >>> plan.attacker_labels(np.array([0, 1, 2]), num_classes=3).tolist()
    [0, 0, 0]
    """

    rate: float
    target: int = 0
    mode: Mode = "all-to-one"
    source: int | None = None
    cover_classes: tuple[int, ...] = ()
    cover_rate: float = 0.0
    keep_label: float = 0.0

    def __post_init__(self) -> None:
        for name in ("rate", "cover_rate", "keep_label"):
            value = getattr(self, name)
            if not (is_number(value) and 0 <= value <= 1):
                raise InputError(f"expected {shown(name)} in [0, 1], got {value}; give a share, such as 0.05 for 5%")
            object.__setattr__(self, name, float(value))
        if not isinstance(self.cover_classes, (tuple, list, np.ndarray)):
            raise InputError(
                f"expected cover_classes as a tuple of class numbers, got {self.cover_classes!r}; e.g. (5, 7)"
            )
        object.__setattr__(self, "target", _class(self.target, "target="))
        object.__setattr__(self, "cover_classes", tuple(_class(c, "a cover class") for c in self.cover_classes))
        if self.source is not None:
            object.__setattr__(self, "source", _class(self.source, "source"))
        if self.mode not in MODES:
            raise InputError(
                f"expected one of the modes {', '.join(MODES)}, got {self.mode!r}; pick one of these modes"
            )
        if (self.source is not None) != (self.mode == "source-specific"):
            raise InputError(
                f"expected a source class exactly if the mode is 'source-specific', got source class {self.source} and mode {self.mode!r}; change the source or the mode"
            )
        if self.source is not None and self.source in (self.target, *self.cover_classes):
            raise InputError(
                f"expected a source class that is neither the target nor a cover class, got class {self.source} for both; change one of these classes"
            )
        if self.cover_classes and self.cover_rate == 0:
            raise InputError(
                "expected cover_rate > 0 with cover_classes, got 0; pass cover_rate or leave cover_classes out"
            )
        if self.keep_label and self.mode == "clean-label":
            raise InputError(
                "expected no keep_label in a clean-label plan, which keeps all labels, got a keep_label above 0; leave keep_label out"
            )

    def check_classes(self, num_classes: int, *, target: str = "the plan's target") -> None:
        """Raise InputError if the plan names a class that the data set does not have. `target` is what the error calls the target class."""
        named = {f"cover class {c}": c for c in self.cover_classes}
        if self.source is not None:
            named["source"] = self.source
        if self.mode != "all-to-all":
            named[target] = self.target
        for what, number in named.items():
            if number >= num_classes:
                raise InputError(
                    f"expected {what} to be a class number below {num_classes}, the number of classes, got {number}; classes count from 0"
                )

    def candidates(self, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """A mask (N,) that is true for the training samples that the plan may poison."""
        if self.mode == "all-to-one":
            return labels != self.target
        if self.mode == "source-specific":
            return labels == self.source
        if self.mode == "clean-label":
            return labels == self.target
        return np.ones(len(labels), dtype=bool)

    def cover_candidates(self, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """A mask (N,) of the training samples that may be cover samples.

        The mask is also true for samples that `poison` chooses to poison.
        """
        if self.cover_classes:
            return np.isin(labels, self.cover_classes)
        return np.ones(len(labels), dtype=bool) if self.source is None else labels != self.source

    def attacker_labels(self, labels: NDArray[Any], *, num_classes: int) -> NDArray[np.int64]:
        """The labels (N,) that the attacker wants for samples with the trigger. `labels` holds the true labels of these
        samples."""
        labels = np.asarray(labels, dtype=np.int64)
        return (labels + 1) % num_classes if self.mode == "all-to-all" else np.full_like(labels, self.target)

    def eligible(self, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """A mask (N,) of the test samples that count for the attack success rate.

        A sample counts for the attack success rate if its true label is not the target. In a source-specific plan, only
        samples of the source class count, and in an all-to-all plan, all samples count (METHODS, section 4).
        """
        labels = np.asarray(labels)
        if self.mode == "all-to-all":
            return np.ones(len(labels), dtype=bool)
        return labels == self.source if self.mode == "source-specific" else labels != self.target

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON-able values, which `PoisonPlan.from_dict` reads."""
        return {**asdict(self), "cover_classes": list(self.cover_classes)}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> PoisonPlan:
        """Make the plan again from the values that `to_dict` wrote.

        >>> plan = PoisonPlan(rate=0.1, mode="all-to-all")
        >>> PoisonPlan.from_dict(plan.to_dict()) == plan
        True
        """
        try:
            return cls(**record)
        except TypeError as error:
            raise InputError(
                f"expected the fields of a PoisonPlan, got {record!r}; correct this error: {error}"
            ) from error


def _class(value: Any, name: str) -> int:
    return whole_number(value, name, least=0, hint="class numbers count from 0, as the labels of the data set do")


def shown(name: str) -> str:
    """How an error calls a setting of a plan. The command line has an option for the rate alone."""
    return "rate=" if name == "rate" else name


def count_of(rate: float, total: int, *, what: str) -> int:
    """The number of samples for a rate: floor(rate * total + 1/2).

    Raises InputError if `rate` is above 0 but so small that the number of samples is 0.

    >>> count_of(0.05, 1000, what="rate")
    50
    """
    count = math.floor(rate * total + 0.5)
    if rate > 0 and count == 0:
        raise InputError(
            f"expected {shown(what)} to be 0 or at least {1 / total:.3g} (one of {total} samples), got {rate:g}; raise {shown(what)}"
        )
    return count
