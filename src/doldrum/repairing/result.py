"""`Repair`: the repaired model, and the results of its tests."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from doldrum.classifiers.base import Classifier
from doldrum.inspectors.examine import Examination
from doldrum.poisoning.evaluate import Share
from doldrum.stats.proportions import Interval
from doldrum.tables import html_table

__all__ = ["GONE", "Repair", "Verdict", "verdict_of"]

Verdict = Literal["trigger gone", "trigger still works", "not shown to be gone", "no trigger to test"]
GONE = 0.2
"""The limit for a trigger's success rate. If the upper confidence limit of the success rate is below GONE, the trigger
counts as gone. If the lower confidence limit of the success rate is at least GONE, the trigger counts as working.
"""


@dataclass(frozen=True, kw_only=True)
class Repair:
    """A repaired model.

    classifier
        The repaired model, of the same kind as the given model. The given model is not changed.
    method
        The repair method, with its settings.
    labels
        "given", or "model" if the model's own labels were used for training because no labels were given.
    fit, test
        The number of clean images used for training, and the number of images held back for the tests.
    accuracy
        The accuracy on the held-back images: (before, after, difference after - before with paired limits). `accuracy`
        is None if no labels were given.
    agreement
        Share of the held-back images for which both models predict the same label.
    success
        The share of held-back images of the source class that the recovered trigger changes to the target class:
        (before, after). `success` is None if there is no trigger, or no held-back image of the trigger's source class.
    verdict
        - "trigger gone": the 95% upper limit of the success is below 20%.
        - "trigger still works": the lower limit is at least 20%.
        - "not shown to be gone": the limits are on both sides of 20%, or no held-back image is of a class that the
          trigger's route starts from.
        - "no trigger to test": no trigger was given.

    larger
        How many times larger the smallest trigger is after the repair than before, for the same inspector, source class
        and target class. `larger` is None if there was no second search for a trigger.
    examination
        The results of the second search for a trigger, in the repaired model; None if there was no second search.
    """

    classifier: Classifier
    method: str
    labels: Literal["given", "model"]
    fit: int
    test: int
    accuracy: tuple[Share, Share, Interval] | None
    agreement: Share
    success: tuple[Share, Share] | None
    verdict: Verdict
    larger: float | None
    examination: Examination | None = field(repr=False)
    seconds: float
    seed: int

    @property
    def exit_code(self) -> int:
        """The exit code of the repair: 3 if the recovered trigger still works, or is not shown to be gone; else 0."""
        return 3 if self.verdict in ("trigger still works", "not shown to be gone") else 0

    def _repr_html_(self) -> str:
        """An HTML table for notebooks: the verdict and its numbers."""
        rows = []
        if self.accuracy is not None:
            rows.append(["accuracy on clean images", *(f"{one.value:.1%}" for one in self.accuracy[:2])])
        if self.success is not None:
            rows.append(["success of the trigger", *(f"{one.value:.1%}" for one in self.success)])
        return html_table(
            f"Repair: {self.verdict}",
            {"method": self.method, "images held back": self.test},
            columns=["", "before", "after"],
            rows=rows,
        )

    def to_dict(self) -> dict[str, Any]:
        """The result as values that JSON can hold, without the model."""
        accuracy = None
        if self.accuracy is not None:
            accuracy = _pair(self.accuracy[:2]) | {"difference": asdict(self.accuracy[2])}
        return {
            "method": self.method,
            "labels": self.labels,
            "fit": self.fit,
            "test": self.test,
            "accuracy": accuracy,
            "agreement": asdict(self.agreement),
            "success": None if self.success is None else _pair(self.success),
            "verdict": self.verdict,
            "larger": self.larger,
            "examination": None if self.examination is None else self.examination.to_dict(),
            "seconds": round(self.seconds, 2),
            "seed": self.seed,
        }


def _pair(found: tuple[Share, Share]) -> dict[str, Any]:
    return {"before": asdict(found[0]), "after": asdict(found[1])}


def verdict_of(success: tuple[Share, Share] | None, *, given: bool) -> Verdict:
    """Return the verdict that follows from the trigger's success rate after the repair. `given` says whether a trigger
    was given.
    """
    if success is None:
        return "not shown to be gone" if given else "no trigger to test"
    after = success[1]
    if after.upper < GONE:
        return "trigger gone"
    return "trigger still works" if after.lower >= GONE else "not shown to be gone"
