"""RepairMethod: what who writes one writes. Read this file first."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from doldrum.data import ImageSet
from doldrum.gradients.trainable import Trainable
from doldrum.inspectors.contract.route import Route
from doldrum.training.hooks import TrainingHook
from doldrum.training.recipe import Recipe
from doldrum.training.tune import tune
from doldrum.triggers.base import Trigger

__all__ = ["Recovered", "RepairMethod", "Task"]


@dataclass(frozen=True)
class Recovered:
    """A trigger that was found in the model, and the route that it takes images on.

    Of an inspection: `inspector` found it, `value` is what it read on that route, -log of the trigger's size, and `sign` says whether the inspection saw any sign of a
    backdoor. Of an explanation: `searched` are the clean images that its search used, each as its :func:`doldrum.pixels.digest_of_image`; a repair is not tested on them.
    """

    route: Route
    trigger: Trigger
    inspector: str = ""
    value: float | None = None
    searched: frozenset[str] = frozenset()
    sign: bool = True


@dataclass(frozen=True, eq=False)
class Task:
    """What a method may use.

    Parameters
    ----------
    model : Trainable
        A copy of the model, images -> logits or log-probabilities. The method changes it in place.
    data : ImageSet
        Clean images of the right size with a label each: somebody's, or the model's own. None of them is used to say how well the repair did.
    num_classes, seed : int
    recovered : a trigger that was found in the model, or None
    folder : path, optional
        Where resume files are kept, so that a repair that was cut off goes on.
    """

    model: Trainable
    data: ImageSet
    num_classes: int
    seed: int
    recovered: Recovered | None = None
    folder: Path | None = None
    progress: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)

    def tune(
        self,
        recipe: Recipe,
        *,
        stage: str,
        data: ImageSet | None = None,
        hook: TrainingHook | None = None,
        model: Any = None,
    ) -> None:
        """Train the model (or `model`, which holds it) by the one training loop; `stage` names the resume file."""
        checkpoint = None if self.folder is None else self.folder / f"{stage}.resume"
        history = tune(
            self.model if model is None else model, self.data if data is None else data, recipe, num_classes=self.num_classes,
            seed=self.seed, checkpoint=checkpoint, hook=hook, progress=self.progress,
        )  # fmt: skip
        self.history.extend(history)


class RepairMethod(ABC):
    """Takes a backdoor out of a model.

    A subclass states what it is and writes one hook, `repair`. Its result depends on (model, data, trigger, seed, settings) alone.
    """

    name: ClassVar[str]
    """Its id, in records and on the command line."""
    title: ClassVar[str]
    """What it does, in a few words."""
    paper: ClassVar[str] = ""
    needs_trigger: ClassVar[bool] = False
    """Whether it can't work without a trigger that was found in the model."""
    needs_labels: ClassVar[bool] = False
    """Whether the model's own labels won't do."""

    @abstractmethod
    def repair(self, task: Task) -> None:
        """Change `task.model`. Raises ClassifierError for a model that it can't serve, saying what to do instead."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
