"""In the confined process: the plan of a run over images. The plan is made once and saved, so that a continued run uses
the same plan."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.confined.job import Tell
from doldrum.confined.scanning import budget
from doldrum.data import ImageSet
from doldrum.detectors.contract.measuring import Each
from doldrum.engines.base import threads
from doldrum.errors import InputError
from doldrum.files import write_text_whole
from doldrum.suspects import Suspect

__all__ = ["Plan", "Task", "planned"]

_BATCH_SECONDS = 20.0  # what a kill loses
# Of the budget, and seconds: by so much it is passed at most, at the speed measured.
_BATCH_SHARE, _BATCH_LEAST = 0.02, 2.0
_SENT, _SENT_BYTES = 64, 32 << 20  # images that are sent out at a time, and theirs: so few that all helpers have some


@dataclass(frozen=True, kw_only=True)
class Task:
    """The objects that all steps of a run over images need: the opened model, the folder for results, the seed, the
    function `tell`, and the deadline.

    `tell` reports the progress. If workers measure the images, `each` sends batches to the workers. `helpers` is the
    number of workers, which have one thread each; None means that this number is unknown.
    """

    opened: Suspect
    folder: Path
    seed: int
    tell: Tell
    deadline: budget.Deadline = field(default_factory=lambda: budget.Deadline(None))
    each: Each = map
    helpers: int | None = None


@dataclass(frozen=True)
class Plan:
    """The plan of a run. `step` is a value of `budget.LADDER` (a multiple of the default number of draws), and `batch`
    is the number of images per batch."""

    step: budget.Step
    batch: int


def planned(task: Task, images: ImageSet, inputs: int) -> Plan:
    """Return the plan for a run. Raises InputError if the time or the allowed number of queries is too small.

    `inputs` is the number of images that the run will measure. The speed of the model is measured on `images`.
    """
    path = task.folder / "plan.json"
    if path.exists():
        return Plan(**json.loads(path.read_text(encoding="utf-8")))
    task.tell({"stage": "timing"})
    classifier, deadline = task.opened.classifier, task.deadline
    seconds = budget.seconds_per_forward(classifier, images)
    if task.helpers is not None:
        seconds *= threads() / task.helpers
    shape = classifier.input_shape
    step, expected = budget.fitting_step(
        seconds, deadline.seconds, inputs=inputs, input_shape=shape, spent=deadline.spent, share=deadline.share
    )
    forwards = budget.forwards_of(shape, step)
    _check_queries(classifier, inputs, forwards)
    task.tell(
        {
            "say": f"The model is run {forwards} times for each of {inputs:,} images. At {1 / seconds:,.0f} forward passes per second, the run takes about "
            f"{_duration(expected)}."
        }
    )
    batch = (
        _BATCH_SECONDS
        if deadline.seconds is None
        else max(_BATCH_LEAST, min(_BATCH_SECONDS, _BATCH_SHARE * deadline.seconds))
    )
    most = 256 if task.each is map else min(_SENT, max(2, _SENT_BYTES // images.images[:1].nbytes))
    plan = Plan(step, int(np.clip(batch / (seconds * forwards), 2, most)))
    write_text_whole(path, json.dumps(vars(plan)))
    return plan


def _check_queries(classifier: Any, inputs: int, forwards: int) -> None:
    """Raise InputError if an endpoint's limit of queries is too small. The real number of queries is a little larger
    than the number that is checked here, because incomplete batches are filled up, and some images are sent only as
    checks."""
    endpoint = getattr(classifier, "endpoint", None)
    if endpoint is None or endpoint.budget is None:
        return
    if (needed := classifier.queries + inputs * forwards) > endpoint.budget:
        raise InputError(
            f"expected --endpoint-queries of at least {needed:,} for {inputs:,} images at {forwards} forward passes each, got {endpoint.budget:,}; "
            "raise --endpoint-queries, give fewer images, or use fewer draws with a smaller --budget"
        )


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
