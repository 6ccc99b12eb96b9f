"""`RepairMethod`, the base class of all repair methods. Read this file first if you want to write a method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from doldrum.data import ImageSet
from doldrum.gradients.cost import is_large
from doldrum.gradients.trainable import Trainable
from doldrum.inspectors.contract.route import Route
from doldrum.training.hooks import TrainingHook
from doldrum.training.recipe import Recipe
from doldrum.training.tune import tune
from doldrum.triggers.base import Trigger

__all__ = ["Recovered", "RepairMethod", "Task", "clears"]


@dataclass(frozen=True)
class Recovered:
    """A trigger that was found in the model. The field `route` says from which class to which class the trigger leads
    images.

    If an inspection found the trigger, `inspector` is the inspector's name. `value` is the inspector's result for this
    pair of source class and target class (-log of the trigger's size). `cleared` says whether the inspection compared
    the model with clean reference models, and found no sign of a backdoor. If an explanation found the trigger,
    `searched` holds the digests (:func:`doldrum.pixels.digest_of_image`) of the clean images that its search used. The
    tests of a repair do not use the images in `searched`.
    """

    route: Route
    trigger: Trigger
    inspector: str = ""
    value: float | None = None
    searched: frozenset[str] = frozenset()
    cleared: bool = False


def clears(verdict: str, *, references: bool) -> bool:
    """Whether an inspection with this verdict is evidence that the model has no backdoor. Without reference models, an
    inspection misses too many backdoors to be such evidence."""
    return references and verdict == "no sign"


@dataclass(frozen=True, eq=False)
class Task:
    """Everything that a repair method may use.

    Parameters
    ----------
    model : Trainable
        A copy of the model, which maps images to logits or log-probabilities. The repair method changes this copy in
        place.
    data : ImageSet
        Clean images of the size that the model takes, with labels. The user gave these labels, or the model predicted
        them. None of these images is used to test the repair.
    num_classes, seed : int
    recovered : a trigger that was found in the model, or None
    folder : path, optional
        The folder for resume files, which store the progress of the repair. An interrupted repair continues from its
        resume files.
    """

    model: Trainable
    data: ImageSet
    num_classes: int
    seed: int
    recovered: Recovered | None = None
    folder: Path | None = None
    progress: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def large(self) -> bool:
        """Whether the model is so large (:func:`doldrum.gradients.cost.is_large`) that it is trained with fewer steps."""
        return is_large(self.model, self.data.input_shape)

    def tune(
        self,
        recipe: Recipe,
        *,
        stage: str,
        data: ImageSet | None = None,
        hook: TrainingHook | None = None,
        model: Any = None,
    ) -> None:
        """Train the model (or `model`, a wrapper of it) with doldrum's training loop. The name of the resume file is
        made from `stage`."""
        checkpoint = None if self.folder is None else self.folder / f"{stage}.resume"
        history = tune(
            self.model if model is None else model, self.data if data is None else data, recipe, num_classes=self.num_classes,
            seed=self.seed, checkpoint=checkpoint, hook=hook, progress=self.progress,
        )  # fmt: skip
        self.history.extend(history)


class RepairMethod(ABC):
    """Removes a backdoor from a model.

    A subclass sets the class attributes and implements one method, `repair`. The method's result must depend only on
    the model, the data, the trigger, the seed and the settings.
    """

    name: ClassVar[str]
    """The method's id in records and on the command line."""
    title: ClassVar[str]
    """A few words that say what the repair method does."""
    paper: ClassVar[str] = ""
    needs_trigger: ClassVar[bool] = False
    """Whether the method needs a trigger that was found in the model."""
    needs_labels: ClassVar[bool] = False
    """Whether the method needs given labels, so that the model's own labels are not enough."""

    @abstractmethod
    def repair(self, task: Task) -> None:
        """Repair `task.model` in place.

        Raises ClassifierError, with advice, for a model that the method cannot repair.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
