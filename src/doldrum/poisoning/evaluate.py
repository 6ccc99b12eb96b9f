"""The function `evaluate`: clean accuracy and attack success rate, each with a confidence interval."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_number, whole_number
from doldrum.classifiers import as_classifier
from doldrum.classifiers.base import Classifier, as_array, labels_of
from doldrum.classifiers.outputs import answer_of
from doldrum.data import Images, ImageSet, as_labelled, to_float
from doldrum.errors import ClassifierError, InputError
from doldrum.poisoning.plan import PoisonPlan
from doldrum.stats.proportions import proportion
from doldrum.triggers.base import Trigger

__all__ = ["Evaluation", "Share", "check_confidence", "evaluate"]


@dataclass(frozen=True)
class Share:
    """The proportion `hits` / `n`, with the Clopper-Pearson confidence interval of this proportion.

    If n is 0, the value is NaN and the limits are 0 and 1.
    """

    hits: int
    n: int
    value: float
    lower: float
    upper: float

    @classmethod
    def of(cls, hits: NDArray[np.bool_], *, confidence: float = 0.95) -> Share:
        """The share of the entries of `hits` that are true.

        >>> s = Share.of(np.array([True, True, False, True]))
        >>> s.value, round(s.lower, 3), round(s.upper, 3)
        (0.75, 0.194, 0.994)
        """
        found = proportion(int(hits.sum()), len(hits), level=confidence)
        return cls(int(hits.sum()), len(hits), found.value, found.lower, found.upper)


@dataclass(frozen=True)
class Evaluation:
    """The accuracy of a model on clean test images, and the success rate of an attack on it.

    Attributes
    ----------
    clean_accuracy
        The share of clean test images for which the model gives the true label.
    asr
        Attack success rate: the share of eligible test images for which the model gives the attacker's label when they
        have the trigger. The eligible images are those whose true label is not the target. With a source-specific plan,
        only images of the source class are eligible; with all-to-all, all images are eligible. The ASR is None without
        a trigger.
    accuracy_per_class, asr_per_class
        The accuracy and the ASR for each true class. A class without (eligible) images has n = 0.
    invalid
        The number of images, clean and triggered together, for which the model gave NaN or infinite scores. An image
        with NaN or infinite scores counts as a wrong answer for the accuracy, and as a failed attack for the ASR.
    confidence
        The confidence level of each interval.
    """

    clean_accuracy: Share
    asr: Share | None
    accuracy_per_class: tuple[Share, ...]
    asr_per_class: tuple[Share, ...] | None
    invalid: int
    confidence: float

    @property
    def eligible(self) -> int:
        """The number of test images that count for the ASR."""
        return 0 if self.asr is None else self.asr.n

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-able values, except that a class without images has the value NaN."""
        return {**asdict(self), "eligible": self.eligible}


def evaluate(
    model: Classifier | Callable[[NDArray[np.float32]], Any] | Any,
    test_set: Images,
    trigger: Trigger | None = None,
    plan: PoisonPlan | None = None,
    *,
    confidence: float = 0.95,
    batch_size: int = 500,
    on_batch: Callable[[int], None] | None = None,
) -> Evaluation:
    """Measure a model's clean accuracy, and the success rate of an attack on it.

    `model` is a Classifier or a function, and maps float32 images (B, C, H, W) in [0, 1] to scores (B, K) or labels
    (B,). Anything else that :func:`doldrum.as_classifier` takes works too, such as an `nn.Module` in evaluation mode.
    The input shape of an `nn.Module` is taken from the test set, and its number of classes is the number of scores per
    image. `test_set` is an ImageSet of clean images, which is not changed, or a source of (image, label) pairs or rows,
    such as a torch Dataset (:func:`doldrum.data.read_stream`). If the trigger has different forms for training and test
    images, the form for test images is used. `on_batch` is called after each batch with the number of images in the batch,
    for example to show progress: first for all images, then for the eligible ones with the trigger.

    Raises ClassifierError for outputs of another shape and for a module in training mode. Raises InputError for a test
    set without labels, for a trigger without a plan, and for a plan without a trigger.

    >>> from doldrum.triggers import Patch
    >>> test = ImageSet(np.zeros((4, 1, 2, 2), np.float32), labels=[0, 1, 1, 1])
    >>> corner = lambda x: (x[:, 0, 1, 1] < 0.5).astype(int)
    >>> result = evaluate(corner, test, Patch(size=1), PoisonPlan(rate=0.1, target=0))
    >>> result.clean_accuracy.value, result.asr.value, result.eligible
    (0.75, 1.0, 3)
    """
    test_set = as_labelled(
        test_set, shape=model.input_shape if isinstance(model, Classifier) else None, what="a test set"
    )
    batch_size = whole_number(batch_size, "batch_size", least=1, hint="e.g. 500")
    if test_set.labels is None:
        raise InputError("expected a test set with labels, got none; accuracy needs labels")
    labels = np.asarray(test_set.labels, dtype=np.int64)
    if (trigger is None) != (plan is None):
        raise InputError(
            "expected trigger and plan together, got only one of them; the plan says which label is a success"
        )
    for value, kind in ((trigger, Trigger), (plan, PoisonPlan)):
        if value is not None and not isinstance(value, kind):
            raise InputError(
                f"expected a {kind.__name__} object, got {type(value).__name__}; pass the {kind.__name__} with which the training set was poisoned"
            )
    check_confidence(confidence)
    num_classes = len(test_set.class_names)
    model = _as_model(model, test_set)
    if isinstance(model, Classifier) and labels.max() >= model.num_classes:
        raise InputError(
            f"expected labels below {model.num_classes}, the model's classes, got {labels.max()}; "
            "pass images of the classes it was trained on"
        )
    answers = _predict(model, test_set.images, batch_size=batch_size, on_batch=on_batch)
    right = answers == labels
    by_class = [labels == k for k in range(num_classes)]
    asr, asr_per_class, invalid = None, None, int((answers < 0).sum())
    if trigger is not None and plan is not None:
        plan.check_classes(num_classes)
        rows = np.flatnonzero(plan.eligible(labels))
        answers = _predict(model, test_set.images, batch_size=batch_size, rows=rows, trigger=trigger, on_batch=on_batch)
        success = answers == plan.attacker_labels(labels[rows], num_classes=num_classes)
        asr = Share.of(success, confidence=confidence)
        asr_per_class = tuple(Share.of(success[mask[rows]], confidence=confidence) for mask in by_class)
        invalid += int((answers < 0).sum())
    return Evaluation(
        clean_accuracy=Share.of(right, confidence=confidence),
        asr=asr,
        accuracy_per_class=tuple(Share.of(right[mask], confidence=confidence) for mask in by_class),
        asr_per_class=asr_per_class,
        invalid=invalid,
        confidence=confidence,
    )


def _as_model(model: Any, test_set: ImageSet) -> Any:
    """The model as a Classifier, or as a plain function that returns scores or labels."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        from doldrum.classifiers.adapters.module import scores_shape

        # How many classes it tells apart shows in its scores for one image, whatever the test set names.
        shape = scores_shape(model, to_float(np.asarray(test_set.images[:1])))
        if len(shape) != 2 or shape[0] != 1:
            raise ClassifierError(
                f"expected scores of shape (1, classes) for one image, got shape {shape}; wrap the model in a function that gives "
                "labels, or one row of scores per image"
            )
        return as_classifier(model, input_shape=test_set.input_shape, num_classes=shape[1])
    if not (callable(model) or hasattr(model, "predict") or isinstance(model, (str, Path))):
        raise InputError(f"expected a Classifier or a function, got {type(model).__name__}; see dd.as_classifier")
    try:
        return as_classifier(model, input_shape=test_set.input_shape)
    except InputError:
        # A function, which alone is asked for its classes too, is called as it is.
        if not callable(model) or type(model).__module__.partition(".")[0] == "transformers":
            raise
        return model


def check_confidence(confidence: Any) -> None:
    """Raise InputError for a value that is not a confidence level."""
    if not (is_number(confidence) and 0 < confidence < 1):
        raise InputError(f"expected confidence= between 0 and 1, got {confidence}; e.g. 0.95")


def _predict(
    model: Callable[[NDArray[np.float32]], Any],
    images: NDArray[Any],
    *,
    batch_size: int,
    rows: NDArray[np.int64] | None = None,
    trigger: Trigger | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> NDArray[np.int64]:
    """The model's labels, computed in batches to save memory. The label is -1 if the scores are not finite."""
    rows = np.arange(len(images)) if rows is None else rows
    out = np.empty(len(rows), dtype=np.int64)
    for start in range(0, len(rows), batch_size):
        batch = to_float(np.asarray(images[rows[start : start + batch_size]]))
        batch = batch if trigger is None else trigger(batch)
        answer = model(batch)
        answer = as_array(answer if isinstance(model, Classifier) else answer_of(answer, rows=len(batch)))
        if not isinstance(model, Classifier) and (
            answer.ndim not in (1, 2) or len(answer) != len(batch) or answer.dtype.kind not in "biuf"
        ):
            raise ClassifierError(
                f"expected scores of shape ({len(batch)}, K) or labels of shape ({len(batch)},) from the model, got {answer.dtype} values of shape {answer.shape}; "
                "return an output for every image"
            )
        if answer.ndim == 1 and not isinstance(model, Classifier):
            _check_labels(answer)
        out[start : start + len(batch)] = labels_of(answer)
        if on_batch is not None:
            on_batch(len(batch))
    return out


def _check_labels(answer: NDArray[Any]) -> None:
    """Raise ClassifierError unless a function's labels are class numbers."""
    most = int(np.iinfo(np.int16).max)
    if not np.isfinite(answer).all() or (answer != np.floor(answer)).any() or answer.min() < 0 or answer.max() > most:
        odd = answer[~((answer >= 0) & (answer <= most) & (answer == np.floor(answer)))][0]
        raise ClassifierError(
            f"expected class numbers from 0 to {most:,} as labels, got the label {odd}; return class numbers, or a row of scores per image"
        )
