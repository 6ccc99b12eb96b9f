"""`repair` removes a backdoor from a model, and tests the result."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.attacks import load_trigger
from doldrum.checks import is_kind, whole_number
from doldrum.classifiers.base import Classifier
from doldrum.data import Images, ImageSet, as_image_set
from doldrum.errors import ClassifierError, InputError
from doldrum.explanations import Explanation, Explanations
from doldrum.gradients.trainable import trainable
from doldrum.inspectors import Inspection, Inspector, Reading, Route, Subject, examine
from doldrum.inspectors.contract.subject import answers
from doldrum.inspectors.examine import Examination
from doldrum.inspectors.inspect import success_of
from doldrum.inspectors.kinds import INSPECTORS
from doldrum.measuring.checks import check_shape
from doldrum.measuring.inputs import wanted_by
from doldrum.poisoning.evaluate import Share
from doldrum.repairing.contract import Recovered, RepairMethod, Task, clears
from doldrum.repairing.kinds import DEFAULT, METHODS, WITHOUT_TRIGGER
from doldrum.repairing.material import Halves, parted
from doldrum.repairing.result import Repair, verdict_of
from doldrum.stats.paired import paired_difference

__all__ = ["as_recovered", "check_trigger", "method_of", "repair"]


def repair(
    classifier: Classifier,
    clean: Images,
    *,
    inspection: Inspection | Explanations | Explanation | Recovered | None = None,
    method: str | RepairMethod | None = None,
    seed: int = 0,
    inspect_again: bool = True,
    folder: str | Path | None = None,
    read: Callable[[Inspector, Subject], Reading] = Inspector.read,
    progress: bool = True,
) -> Repair:
    """Remove the backdoor from a model with a few clean images, and test the result on other clean images.

    The given model is not changed. A quarter of the clean images (at most 1,000) is held back. On the held-back images,
    the accuracy and the success of the trigger are compared before and after the repair. If an inspection is given, its
    inspector then searches the repaired model for a trigger with the same source class and target class. An explanation
    has no search that could be repeated.

    A trigger that was never found may still work after the repair. The tests of the repair cannot show whether the
    model has a trigger that was never found.

    Parameters
    ----------
    classifier : Classifier
        A torch module or an ONNX file that returns scores. The repair trains a copy of the model's weights.
    clean : images
        At least 40 images of several classes without a trigger; 1,000 work well. If the images have labels, these
        labels are used. If the images have no labels, the labels that the model predicts are used, provided that the
        method allows it.
    inspection : Inspection, Explanations, Explanation, or a Recovered trigger, optional
        The result of `dd.inspect` or `dd.explain` for this model, or the trigger from such a result. If you give the
        images and the seed of the inspection, its search used no held-back image. If an explanation proved several
        triggers, the trigger `best` is used. Images that the explanation's search used are not held back, for any seed.
        A proven trigger leads images to the class of the flagged image. The source class is the class of the images on
        which the trigger was proven, or any class.
    method : name or RepairMethod, optional
        By default "unlearn" with a trigger, and "fine-prune" without a trigger.
    inspect_again : bool
        Whether the inspector searches for a trigger again after the repair. The second search takes longer than the
        repair.
    folder : path, optional
        The folder for resume files, which store the progress of the repair. If a run is killed, the same call continues
        from the resume files.

    Raises
    ------
    InputError
        Raised for too few images, for images of only one class, and for images or a trigger whose size does not fit the
        model. Also raised if a label or a class of the trigger is not a class of the model, if the method is unknown,
        or if the method needs labels or a trigger that you did not give.
    ClassifierError
        Raised for a model without weights that can be trained.

    >>> import doldrum as dd
    >>> digits = dd.load_dataset("digits:train")
    >>> model = dd.train(digits.take(range(500)), "digits-mlp", progress=False)
    >>> found = repair(model, digits.take(range(500, 600)), method="fine-tune", progress=False)
    >>> found.verdict, found.labels, found.classifier.fingerprint == model.fingerprint
    ('no trigger to test', 'given', False)
    """
    began = time.perf_counter()
    if not is_kind(classifier, Classifier):
        raise InputError(f"expected a Classifier, got {type(classifier).__name__}; use dd.as_classifier first")
    seed = whole_number(seed, "seed=", least=0, hint="e.g. 0")
    images: ImageSet = as_image_set(clean, **wanted_by(classifier))
    check_shape(images.input_shape, classifier.input_shape)
    recovered = as_recovered(inspection)
    if recovered is not None:
        check_trigger(recovered, classifier)
    chosen = method_of(method, recovered=recovered, labelled=images.labels is not None)
    model = trainable(classifier)
    parts = parted(classifier, images, seed, searched=frozenset() if recovered is None else recovered.searched)
    place = None if folder is None else Path(folder)
    chosen.repair(
        Task(model=model, data=parts.fit, num_classes=classifier.num_classes, seed=seed, recovered=recovered, folder=place, progress=progress)
    )  # fmt: skip
    repaired = model.classifier()
    found = _compared(classifier, repaired, parts, recovered)
    again, larger = None, None
    if inspect_again and recovered is not None and recovered.inspector in INSPECTORS:
        again = examine(repaired, images, inspectors=[recovered.inspector], seed=seed, progress=progress, read=read)
        larger = _times_larger(recovered, again)
    return Repair(
        classifier=repaired,
        method=repr(chosen),
        labels="given" if parts.given else "model",
        fit=len(parts.fit),
        test=len(parts.test),
        larger=larger,
        examination=again,
        seconds=time.perf_counter() - began,
        seed=seed,
        **found,
    )


def as_recovered(inspection: Any) -> Recovered | None:
    """The trigger of an inspection or an explanation. A Recovered trigger is returned unchanged.

    Raises InputError if the object has another type, or has no trigger.
    """
    if inspection is None or is_kind(inspection, Recovered):
        return inspection
    if is_kind(inspection, Explanations, Explanation):
        return _proven(inspection)
    if not is_kind(inspection, Inspection):
        raise InputError(
            f"expected inspection= to be the result of dd.inspect or dd.explain, got {type(inspection).__name__}; pass one of these results"
        )
    if inspection.trigger is None or inspection.where is None:
        raise InputError(
            "expected an inspection that found a trigger, got an inspection without a trigger; leave inspection= out, or inspect with other inspectors"
        )
    name, route = inspection.where
    reading = next(one for one in inspection.examination.readings if one.inspector == name)
    cleared = clears(inspection.verdict, references=inspection.references > 0)
    return Recovered(route, inspection.trigger, name, reading.values.get(route), cleared=cleared)


def _proven(explanation: Explanations | Explanation) -> Recovered:
    one = explanation.best if isinstance(explanation, Explanations) else explanation
    if one is None or not one.proven:
        raise InputError(
            "expected an explanation that proved a trigger, got an explanation without a proven trigger; leave inspection= out, or pass an inspection of the model"
        )
    if one.trigger is None:
        raise InputError(
            "expected an explanation as dd.explain returns it, got an explanation without its trigger; explain the image again"
        )
    return Recovered(Route(one.scope, one.label), load_trigger(dict(one.trigger)), searched=frozenset(one.searched))


def check_trigger(recovered: Recovered, classifier: Classifier) -> None:
    """Raise InputError unless the trigger has the size of the model's images, and leads between classes of the
    model."""
    shape = classifier.input_shape
    try:
        recovered.trigger(np.zeros((1, *shape), dtype=np.float32))
    except (InputError, ValueError) as error:
        raise InputError(
            f"expected a trigger for images of the model's shape {shape}, got a trigger of another size ({error}); give a trigger that was found in this model"
        ) from error
    route = recovered.route
    if max(route.source or 0, route.target or 0) >= classifier.num_classes:
        raise InputError(
            f"expected a trigger between the model's {classifier.num_classes} classes, got a trigger from {route.words()}; give a trigger that was found in this model"
        )


def method_of(method: str | RepairMethod | None, *, recovered: Recovered | None, labelled: bool) -> RepairMethod:
    """Return the requested repair method, or the default method. Raises InputError if the method is unknown, or if it
    needs a trigger or labels that are not given."""
    if method is None:
        method = DEFAULT if recovered is not None else WITHOUT_TRIGGER
    if is_kind(method, str):
        if method not in METHODS:
            raise InputError(
                f"expected the name of a repair method as method= ({', '.join(METHODS)}), got {method!r}; pick one of these names"
            )
        method = METHODS[method]()  # type: ignore[index]
    if not is_kind(method, RepairMethod):
        raise InputError(
            f"expected method= as the name of a repair method or as a RepairMethod, got {type(method).__name__}; pass a name, such as 'fine-tune'"
        )
    assert isinstance(method, RepairMethod)
    if method.needs_trigger and recovered is None:
        raise InputError(
            f"expected inspection= for the method {method.name}, which unlearns a trigger, got no inspection=; inspect the model first, or explain a flagged image, or use the method {WITHOUT_TRIGGER}"
        )
    if method.needs_labels and not labelled:
        others = [name for name, kind in METHODS.items() if not kind.needs_labels]
        raise InputError(
            f"expected labels with the clean images for the method {method.name}, got none; give labelled images (one folder per class), or use the method {' or '.join(others)}"
        )
    return method


def _compared(before: Classifier, after: Classifier, parts: Halves, recovered: Recovered | None) -> dict[str, Any]:
    """Accuracy, agreement and trigger success on the held-back images, before and after the repair."""
    labels: list[NDArray[Any]] = [answers(one, parts.test) for one in (before, after)]
    if (labels[1] < 0).any():
        raise ClassifierError(
            "expected a repaired model with scores that are numbers, got NaN or infinities; use another method, or more clean images"
        )
    accuracy = None
    if parts.labels is not None:
        right = [found == parts.labels for found in labels]
        accuracy = (Share.of(right[0]), Share.of(right[1]), paired_difference(*right))
    success = None
    if recovered is not None:
        moved = [success_of(one, recovered.trigger, recovered.route, parts.test) for one in (before, after)]
        if moved[0] is not None and moved[1] is not None:
            success = (moved[0][0], moved[1][0])
    return {
        "accuracy": accuracy,
        "agreement": Share.of(labels[0] == labels[1]),
        "success": success,
        "verdict": verdict_of(success, given=recovered is not None),
    }


def _times_larger(recovered: Recovered, again: Examination) -> float | None:
    """How many times larger the smallest trigger is after the repair: exp(value before - value after).

    An inspector's values are -log of a trigger's size. The result is None for inspectors whose values do not measure a
    size.
    """
    reading = again.readings[0]
    value = reading.values.get(recovered.route)
    if not INSPECTORS[recovered.inspector].sizes or recovered.value is None or value is None:
        return None
    larger = float(np.exp(recovered.value - value))
    return larger if np.isfinite(larger) else None
