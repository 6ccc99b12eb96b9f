"""`inspect`: is this model backdoored, which class is the attacker's target, and what is the trigger?"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_kind, is_number, whole_number
from doldrum.classifiers.base import Classifier
from doldrum.data import Images, ImageSet, as_image_set
from doldrum.errors import ClassifierError, InputError
from doldrum.inspectors.contract.hooks import Inspector
from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.contract.subject import answers, halves
from doldrum.inspectors.examine import Examination, examine, inspectors_of
from doldrum.inspectors.inspection import Inspection, verdict_of
from doldrum.inspectors.judging.anomaly import anomalies
from doldrum.inspectors.judging.standard import standings
from doldrum.inspectors.kinds import INSPECTORS
from doldrum.measuring.inputs import wanted_by
from doldrum.poisoning.evaluate import Share
from doldrum.progress import progress_bar
from doldrum.stats.conformal import needed_size, smallest_fpr_text
from doldrum.triggers.base import Trigger

__all__ = ["Inspection", "check_references", "inspect", "judged"]


def inspect(
    classifier: Classifier,
    clean: Images,
    *,
    references: Sequence[Classifier | Examination] = (),
    fpr: float = 0.05,
    inspectors: Sequence[str | Inspector] | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Inspection:
    """Find out whether a model is backdoored, by comparing it with clean reference models.

    Of clean models like the references (the same kind of data, network and training), at most `fpr` are called
    suspicious or worse, on average. To keep the rate `fpr`, the model's score is ranked among the scores of the
    references (:func:`doldrum.inspectors.judging.standard.standings`). Without references, no rate is promised. The
    model's classes are then compared with one another, but even a clean model may have a class that stands out.

    Parameters
    ----------
    classifier : Classifier
        The model. The more the model gives (gradients, scores, weights), the more inspectors can examine it. `refused`
        of the result lists the inspectors that could not examine the model.
    clean : images
        At least 20 images of several classes without a trigger. Labels are not needed. One half of the clean images is
        used for the search, and the other half to test the found trigger.
    references : Classifiers, or Examinations of them made with the same images, inspectors and seed (:func:`doldrum.inspectors.examine`)
        Clean models of the same kind as the model: 19 or more for `fpr` .05.
    fpr : float in (0, 1)

    Raises InputError for too few clean images or references. Also raises InputError if a reference has other classes
    than the model, or if the model itself is among the references. Raises ClassifierError for a model that gives no
    valid label or one label to all images, or that no inspector can examine.

    >>> import doldrum as dd
    >>> digits = dd.load_dataset("digits:train")
    >>> model = dd.train(digits.take(range(500)), "digits-mlp", progress=False)
    >>> found = inspect(model, digits.take(range(500, 600)), inspectors=["mask"])
    >>> found.exit_code in (0, 3), found.p_value
    (True, None)
    """
    if not is_number(fpr) or not 0 < fpr < 1:
        raise InputError(f"expected a false-positive rate in (0, 1), got {fpr!r}; pass 0.05 for 5%")
    if not is_kind(classifier, Classifier):
        raise InputError(f"expected a Classifier, got {type(classifier).__name__}; use dd.as_classifier first")
    inspectors_of(inspectors)
    seed = whole_number(seed, "seed=", least=0, hint="e.g. 0")
    _check_sequence(references)
    if references:
        check_references(len(references), fpr)
    _check_apart(classifier.fingerprint, _fingerprints(classifier, references))
    images: ImageSet = as_image_set(clean, **wanted_by(classifier))
    options = {"inspectors": inspectors, "seed": seed}
    mine = examine(classifier, images, progress=progress, **options)  # type: ignore[arg-type]
    if all(one.refused for one in mine.readings):
        raise ClassifierError(
            f"expected a model that at least one inspector can examine, got one that none can: {'; '.join(one.refused for one in mine.readings)}"
        )
    others: list[Examination] = []
    with progress_bar("examining references", len(references), show=progress) as advance:
        for one in references:
            others.append(one if is_kind(one, Examination) else examine(one, images, progress=False, **options))  # type: ignore[arg-type]
            advance(1)
    return judged(classifier, mine, others, halves(images, seed).test, fpr=fpr)


def check_references(count: int, fpr: float) -> None:
    """Raise InputError if `count` references are too few to promise a false-alarm rate of `fpr`."""
    needed = needed_size(fpr)
    if count < needed:
        other = f", or ask for fpr={smallest_fpr_text(count)}" if count else ""
        raise InputError(
            f"expected at least {needed} reference models for a false-alarm rate of {fpr:g}, got {count}; give more{other}"
        )


def judged(
    classifier: Classifier, mine: Examination, others: Sequence[Examination], test: NDArray[np.float32], *, fpr: float
) -> Inspection:
    """Make the Inspection of a model from the readings of this model and the readings of its references.

    `test` holds clean images that were not used in the search for triggers.
    """
    _check_alike(mine, others)
    if others:
        check_references(len(others), fpr)
        first, *rest = standings([mine.readings, *(one.readings for one in others)])
        p_value: float | None = (1 + sum(one.score >= first.score for one in rest)) / (len(rest) + 1)
    else:
        first, p_value = anomalies(mine.readings), None
    sized = [name for name, kind in INSPECTORS.items() if kind.sizes]
    where = first.most_among(sized) or first.most or _easiest(mine)
    trigger, success, leads = None, None, None
    if where is not None:
        inspector, route = where
        reading = next(one for one in mine.readings if one.inspector == inspector)
        trigger = reading.triggers.get(route)
        if trigger is not None:
            success, leads = success_of(classifier, trigger, route, test) or (None, None)
    smaller = None if where is None else _times_smaller(mine, others, *where)
    return Inspection(
        verdict=verdict_of(p_value, first, success, smaller, fpr=fpr),
        p_value=p_value,
        fpr=fpr if others else None,
        references=len(others),
        standing=first,
        where=where,
        trigger=trigger,
        success=success,
        leads_to=leads,
        smaller=smaller,
        examination=mine,
    )


def _times_smaller(mine: Examination, others: Sequence[Examination], inspector: str, route: Route) -> float | None:
    """Calculate how many times smaller the model's trigger is than the triggers found in the references.

    The result is exp(v - mean of the references' v), where v is -log of the size of a trigger. The result is None if
    the inspector's values are not sizes of triggers.
    """
    if inspector not in INSPECTORS or not INSPECTORS[inspector].sizes:
        return None
    own, *rest = (
        [one.values.get(route, np.nan) for one in e.readings if one.inspector == inspector] for e in (mine, *others)
    )
    known = [v for values in rest for v in values if np.isfinite(v)]
    return float(np.exp(own[0] - np.mean(known))) if known and own and np.isfinite(own[0]) else None


def _easiest(mine: Examination) -> tuple[str, Route] | None:
    """The inspector and route of a trigger to show: the smallest trigger of the first inspector that found a trigger.

    This trigger is shown if the model cannot be compared with anything: there are no references, and only two or three
    classes.
    """
    for one in mine.readings:
        found = {r: v for r, v in one.values.items() if r in one.triggers and r.target is not None and np.isfinite(v)}
        if found:
            return one.inspector, max(found, key=lambda route: found[route])
    return None


def success_of(
    classifier: Classifier, trigger: Trigger, route: Route, test: NDArray[np.float32]
) -> tuple[Share, int | None] | None:
    """The success of a trigger on test images of its route: the share of changed images with an exact interval, and the
    class that changed images get.

    If fewer than half of the changed images get the same class, the class is None. If no test image is of the route's
    source class, the whole result is None.
    """
    before = answers(classifier, test)
    chosen = route.starts(before)
    if not chosen.any():
        return None
    after = answers(classifier, trigger(test[chosen]))
    moved = route.moved(before[chosen], after)
    found, counts = np.unique(after[moved], return_counts=True)
    leads = int(found[counts.argmax()]) if len(found) and 2 * counts.max() >= moved.sum() else None
    return Share.of(moved), leads


def _check_sequence(references: Sequence[Classifier | Examination]) -> None:
    """Raise InputError if the references are not a sequence of Classifiers and Examinations."""
    if is_kind(references, str, os.PathLike):
        raise InputError(
            f"expected references= as a list of Classifiers, got {references!r}; doldrum.references.open_references opens a folder of reference models"
        )
    if not is_kind(references, Sequence):
        raise InputError(f"expected references= as a list of Classifiers, got {type(references).__name__}; pass a list")
    if not is_kind(references, list, tuple):  # another sequence may open a model each time that it is asked for one
        return
    for number, one in enumerate(references):
        if not is_kind(one, Classifier, Examination):
            raise InputError(
                f"expected references= as a list of Classifiers, got {type(one).__name__} as reference number {number}; use dd.as_classifier first"
            )


def _check_apart(mine: str, others: Sequence[str]) -> None:
    if mine in others:
        raise InputError(
            f"expected references that differ from the model, got the model itself as reference number {others.index(mine)}; take it out"
        )
    if len(set(others)) < len(others):
        raise InputError(
            f"expected references that all differ, got {len(others) - len(set(others))} copies of other references; take the copies out"
        )


def _fingerprints(model: Classifier, references: Sequence[Classifier | Examination]) -> list[str]:
    """Return the fingerprints of the references, in the same order.

    Raises InputError, before any work starts, if a reference has another input shape or another number of classes than
    the model.
    """
    found = []
    for number, one in enumerate(references):  # once: each may be opened for it
        shape = model.input_shape if is_kind(one, Examination) else one.input_shape  # type: ignore[union-attr]
        if (shape, one.num_classes) != (model.input_shape, model.num_classes):
            raise InputError(
                f"expected references with the input shape {model.input_shape} and {model.num_classes} classes, like the model, got the shape {shape} and "
                f"{one.num_classes} classes in reference number {number}; take this reference out, or replace it"
            )
        found.append(one.fingerprint)
    return found


def _check_alike(mine: Examination, others: Sequence[Examination]) -> None:
    _check_apart(mine.fingerprint, [one.fingerprint for one in others])
    for one in others:
        if one.num_classes != mine.num_classes:
            raise InputError(
                f"expected references with {mine.num_classes} classes, like the model, got a reference with {one.num_classes} classes; give other references"
            )
        if one.key != mine.key:
            raise InputError(
                "expected references examined with the same images, inspectors and seed as the model, got a reference examined with other images, inspectors or seed; examine this reference again"
            )
