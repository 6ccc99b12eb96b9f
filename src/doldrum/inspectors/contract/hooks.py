"""Inspector: what who writes one writes. Read this file first."""

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
    """Judges a model as a whole, where a `Detector` judges an input.

    A subclass states what it is and writes one hook, `examine`. Its result depends on (model, clean images, seed, settings) alone, so
    that a model and its references are read alike: the promise about false alarms rests on it.
    """

    name: ClassVar[str]
    """Its id, in records and on the command line."""
    title: ClassVar[str]
    """What it looks for, in a few words."""
    needs: ClassVar[Needs] = "gradients"
    """What the model must give: labels, scores, scores that can be differentiated, or the weights of its last layer."""
    paper: ClassVar[str] = ""
    weight: ClassVar[float] = 1.0
    """Its share of the work of an inspection, for progress: 1 is that of an inversion."""
    sizes: ClassVar[bool] = False
    """Whether its values are -log of the size of a trigger, so that a difference says how many times smaller one is."""

    @abstractmethod
    def examine(self, subject: Subject) -> Reading:
        """What it finds; `seconds` is filled in by `read`. NaN for a route that it can't tell about."""

    def most_queries(self, images: int) -> int | None:
        """The most answers that it asks for, with so many images to search on; None for one that asks too much of a model whose every answer costs money."""
        return None

    @final
    def read(self, subject: Subject) -> Reading:
        """`examine`, timed; a model that doesn't give what is needed makes a Reading with `refused`, and no error."""
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
        """Why this model can't be read, or ""."""
        classifier = subject.classifier
        if self.needs in ("gradients", "weights") and subject.module is None:
            return f"{self.name} needs {self.needs}: {subject.why_not or 'the model gives none'}"
        if self.needs == "scores" and classifier.outputs == "labels":
            return f"{self.name} needs scores; the model gives labels only"
        if classifier.costly and self.most_queries(len(subject.search)) is None:
            return f"{self.name} needs too many answers of a model at an address"
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def routes_to(num_classes: int) -> tuple[Route, ...]:
    """The routes to each class from all others."""
    return tuple(Route(None, k) for k in range(num_classes))
