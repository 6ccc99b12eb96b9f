"""`Inspector`, the base class of all inspectors. Read this file first if you want to write an inspector."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import ClassVar, Literal, final

from doldrum.errors import ClassifierError, EndpointError
from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.contract.subject import Subject

__all__ = ["Inspector", "Needs"]

Needs = Literal["labels", "scores", "gradients", "weights"]


class Inspector(ABC):
    """Judges a whole model. (A `Detector` judges single inputs.)

    A subclass sets the class attributes and implements one method, `examine`. The method's result must depend only on
    the model, the clean images, the seed and the settings. So a model and its references are examined in the same way.
    Without this equal treatment, the promised false-alarm rate does not hold.
    """

    name: ClassVar[str]
    """The inspector's id in records and on the command line."""
    title: ClassVar[str]
    """A few words that say what the inspector looks for in a model."""
    needs: ClassVar[Needs] = "gradients"
    """What the model must provide: labels, scores, gradients of the scores, or the weights of its last layer."""
    paper: ClassVar[str] = ""
    weight: ClassVar[float] = 1.0
    """The amount of work for the progress bar. The work of one trigger inversion counts as 1."""
    sizes: ClassVar[bool] = False
    """Whether the inspector's values are -log of a trigger's size. The difference of two such values says how many
    times smaller one trigger is than the other."""

    @abstractmethod
    def examine(self, subject: Subject) -> Reading:
        """Examine the model, and return the results as a Reading.

        A value is NaN for a route (a pair of source and target class) without a result. `read` sets `seconds`.
        """

    def most_queries(self, images: int) -> int | None:
        """The largest number of queries that the inspector makes if there are `images` search images.

        The result is None if the inspector needs too many queries for a model whose queries cost money.
        """
        return None

    @final
    def read(self, subject: Subject) -> Reading:
        """Call `examine`, measure the time that it takes, and return the Reading.

        If the inspector cannot examine the model, return a Reading with `refused`.
        """
        why = self.refusal(subject)
        if why:
            subject.advance(self.weight)
            return Reading(self.name, {}, refused=why)
        began = time.perf_counter()
        try:
            found = self.examine(subject)
        except EndpointError:  # nothing of the model's: it can be asked again
            raise
        except ClassifierError as error:
            return Reading(self.name, {}, refused=str(error), seconds=time.perf_counter() - began)
        return Reading(self.name, dict(found.values), time.perf_counter() - began, found.refused, dict(found.triggers))

    def refusal(self, subject: Subject) -> str:
        """The reason why the inspector cannot examine this model, or "" if it can."""
        classifier = subject.classifier
        if self.needs in ("gradients", "weights") and subject.module is None:
            return f"{self.name} needs {self.needs}: {subject.why_not or 'the model gives none'}"
        if self.needs == "scores" and classifier.outputs == "labels":
            return f"the inspector {self.name} needs scores, but the model gives only labels"
        if classifier.costly and self.most_queries(len(subject.search)) is None:
            return f"the inspector {self.name} needs too many queries for a model at an address"
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def routes_to(num_classes: int) -> tuple[Route, ...]:
    """One route for each class: from all other classes to this class."""
    return tuple(Route(None, k) for k in range(num_classes))
