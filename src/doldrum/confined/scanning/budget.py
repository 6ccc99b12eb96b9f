"""Choose from a fixed list how many draws fit a time limit, by the measured time per forward pass. The class `Deadline`
holds the time limit."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.measuring import Measurement
from doldrum.probes import OVERLAYS, Probe, default_families, overlay_draws, overlay_families, with_settings
from doldrum.suspects.endpoint import EndpointClassifier

__all__ = [
    "LADDER",
    "Deadline",
    "Step",
    "families_of",
    "fitting_step",
    "forwards_of",
    "others_share",
    "overlays_of",
    "seconds_per_forward",
]

LADDER = (0.2, 0.4, 0.6, 1.0, 2.0)
"""Multiples of the default number of draws (noisy copies of an image). There is at least one draw for each strength of
each kind of perturbation."""

_ENOUGH = 2.0  # seconds of work that are timed
_SPARE = 0.85  # share of the time that is planned for: other programs run too

Step = float

clock: Callable[[], float] = time.monotonic


class Deadline:
    """A time limit, counted from the moment when the object is made. The limit is `share` times `asked`, which is the
    time that the user allows, in seconds. If `asked` is None, there is no limit.

    The rest of the user's time is for other work, such as the inspection of the model.
    """

    def __init__(self, asked: float | None, *, share: float = 1.0) -> None:
        self.share = share
        self.seconds = None if asked is None else share * asked
        self._began = clock()

    @property
    def spent(self) -> float:
        """The number of seconds since this object was made."""
        return clock() - self._began

    @property
    def left(self) -> float | None:
        """Seconds that are left, at least 0; None if the deadline never passes."""
        return None if self.seconds is None else max(0.0, self.seconds - self.spent)

    @property
    def over(self) -> bool:
        return self.left == 0.0


def families_of(input_shape: tuple[int, int, int], step: Step) -> dict[str, Probe]:
    """The default probe families (kinds of perturbation), with `step` times the default number of draws."""
    default = default_families(input_shape)
    return {name: with_settings(probe, draws=max(1, round(step * probe.draws))) for name, probe in default.items()}


def overlays_of(step: Step) -> int:
    """The number of overlays (images that are laid over the input): `step` times the default number."""
    return max(1, round(step * OVERLAYS))


def forwards_of(input_shape: tuple[int, int, int], step: Step) -> int:
    """The number of forward passes per input, with `step` times the default numbers of draws.

    >>> [forwards_of((1, 28, 28), step) for step in LADDER]
    [22, 30, 38, 64, 127]
    """
    count = overlays_of(step)
    overlaid = overlay_families(np.zeros((count, 1, 1, 1), dtype=np.float32), overlay_draws(count))
    families = [*families_of(input_shape, step).values(), *overlaid.values()]
    return 1 + sum(len(p.strengths) * p.draws for p in families)


def seconds_per_forward(classifier: Classifier, images: ImageSet) -> float:
    """Measure the seconds per forward pass on this machine, including the perturbation. After a warm-up run, the time
    for some images is measured."""
    probes = families_of(classifier.input_shape, LADDER[0])
    if isinstance(classifier, EndpointClassifier):  # each forward may cost somebody money, and nothing has to get warm
        before, began = classifier.queries, time.perf_counter()
        _run(Measurement(classifier, ImageSet(images.images[:2]), probes))
        return (time.perf_counter() - began) / (classifier.queries - before)
    count = 8
    while True:
        sample = ImageSet(images.images[: min(count, len(images))])
        run = Measurement(classifier, sample, probes)
        if count == 8:
            _run(run)
        began = time.perf_counter()
        _run(run)
        took = time.perf_counter() - began
        if took >= _ENOUGH or count >= min(512, len(images)):
            return took / (len(sample) * run.battery.rows)
        count *= 4


def fitting_step(
    seconds: float,
    budget: float | None,
    *,
    inputs: int,
    input_shape: tuple[int, int, int],
    spent: float = 0.0,
    share: float = 1.0,
) -> tuple[Step, float]:
    """Choose the largest step of `LADDER` with which a scan fits into the time budget. Return the step, and the seconds
    that the scan should take.

    `inputs` is the number of images, `seconds` is the time per forward pass, and `budget` is the time budget in
    seconds. `spent` is the number of seconds of the budget that are already used. If `budget` is None, the default step
    is returned. Raises InputError if even the smallest step takes too long. `budget` is `share` times the user's
    --budget, but the error message gives the whole --budget.

    >>> fitting_step(0.001, 60.0, inputs=1000, input_shape=(1, 28, 28))
    (0.6, 38.0)
    """
    expected = {step: seconds * inputs * forwards_of(input_shape, step) for step in LADDER}
    if budget is None:
        return 1.0, expected[1.0]
    fitting = [step for step in LADDER if expected[step] <= _SPARE * (budget - spent)]
    if not fitting:
        least = expected[LADDER[0]] / _SPARE + spent
        raise InputError(
            f"expected a --budget of at least {least / share:.0f}s for {inputs:,} images on this machine, got {budget / share:.0f}s; give more time, or fewer "
            f"images{others_share(share)}"
        )
    return fitting[-1], expected[fitting[-1]]


def others_share(share: float) -> str:
    """The end of an error message, for a scan that has only a share of the time budget. In an audit, the inspection of
    the model has the rest of the budget."""
    return (
        ""
        if share == 1
        else f", or leave out the inspection with --no-inspect, which would use {1 - share:.0%} of the budget"
    )


def _run(run: Measurement) -> None:
    for _ in run.chunks():
        pass
