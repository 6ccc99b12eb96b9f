"""Check a model on labelled clean images: convert class names to numbers, compute the accuracy, and report doubtful results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.confined.material import Material
from doldrum.data import ImageSet
from doldrum.stats.proportions import proportion
from doldrum.suspects import Suspect
from doldrum.suspects.preprocessing_check import preprocessing_warning

__all__ = ["accuracy_of", "class_numbers", "doubts", "numbers_of", "odd_preprocessing"]

_LOW = 0.5  # accuracy below which something is asked about
_FAR = 0.05  # accuracy may be this much below the claim: other images, other rounding
_MOST_ONE_CLASS = 0.9
_NUMBERS = "labels were read as class numbers"
_FEWEST = 30  # images below which nothing is said about the model's answers


def numbers_of(material: Material, opened: Suspect) -> tuple[NDArray[np.int64] | None, str]:
    """Convert the labels of the images in `material` to class numbers of the model `opened`, with `class_numbers`."""
    return class_numbers(
        material.labels,
        model_names=opened.class_names,
        table_names=material.class_names,
        num_classes=opened.classifier.num_classes,
        numbered=material.numbered,
    )


def class_numbers(
    labels: Sequence[str | None],
    *,
    model_names: Sequence[str] | None,
    table_names: Sequence[str],
    num_classes: int,
    numbered: bool = False,
) -> tuple[NDArray[np.int64] | None, str]:
    """Return the class number of each label (-1: no label), and a text that says how the numbers were found. If the
    numbers can't be found, None is returned instead of the numbers.

    There are four ways to find class numbers, and the first way that works is used. First, labels are looked up among
    the model's class names. Second, labels are read as numbers. Third, labels are looked up among the class names of
    their table. Fourth, labels are numbered in alphabetical order, if the model's class names are not known and there
    are as many different labels as classes. If `numbered` is True (labels of arrays), the labels are always taken as
    class numbers. For example, if the classes are named "1", "10", "2", the class number 1 must not be taken for the
    class named "1", which is class 0.

    >>> class_numbers(["Dog", None], model_names=["cat", "dog"], table_names=(), num_classes=2)[0].tolist()
    [1, -1]
    >>> class_numbers(["cat"], model_names=None, table_names=(), num_classes=2)
    (None, 'the labels are not class numbers, and the names of the classes are not known')
    """
    given = sorted({name for name in labels if name is not None})
    if not given:
        return None, "the clean images have no labels"
    if numbered:
        if (most := max(given, key=lambda n: (len(n.lstrip("0")), n.lstrip("0"))).lstrip("0") or "0") and (
            len(most) > 9 or int(most) >= num_classes
        ):
            return None, f"the labels are class numbers up to {most[:20]}, beyond the model's {num_classes} classes"
        return np.array([-1 if n is None else int(n) for n in labels], dtype=np.int64), _NUMBERS
    found, how = _numbering(given, model_names, table_names, num_classes)
    if found is None:
        return None, how
    return np.array([-1 if name is None else found[name] for name in labels], dtype=np.int64), how


def _numbering(
    given: list[str], model_names: Sequence[str] | None, table_names: Sequence[str], num_classes: int
) -> tuple[dict[str, int] | None, str]:
    if model_names is not None:
        known = {_folded(name): k for k, name in enumerate(model_names)}
        if len(known) == len(model_names) and all(_folded(name) in known for name in given):
            return {name: known[_folded(name)] for name in given}, "labels were matched to the model's class names"
    if all(name.isascii() and name.isdigit() and int(name) < num_classes for name in given if len(name) < 10) and all(
        len(name) < 10 and name.isdigit() for name in given
    ):
        return {name: int(name) for name in given}, _NUMBERS
    if len(table_names) == num_classes and set(given) <= set(table_names):
        return {n: k for k, n in enumerate(table_names)}, "labels were numbered in the order of the table's class names"
    if model_names is not None:
        return None, "the labels are not among the model's class names"
    if len(given) == num_classes:
        return {
            n: k for k, n in enumerate(given)
        }, "labels were numbered in alphabetical order, as folders of classes are"
    return None, "the labels are not class numbers, and the names of the classes are not known"


def _folded(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ").strip()


def accuracy_of(predicted: NDArray[Any], truth: NDArray[np.int64] | None) -> dict[str, Any] | None:
    """Return the accuracy on labelled images as {value, lower, upper, labelled}, with a 95% Clopper-Pearson interval;
    None if there are no labels."""
    if truth is None or not (truth >= 0).any():
        return None
    some = truth >= 0
    hits, n = int((predicted[some] == truth[some]).sum()), int(some.sum())
    return {**vars(proportion(hits, n)), "labelled": n}


def doubts(
    predicted: NDArray[Any], accuracy: dict[str, Any] | None, *, claimed: float | None, num_classes: int
) -> list[str]:
    """Return warnings for a model whose predictions on clean images are worse than they should be."""
    told = []
    check = "Before you trust the results, check size, mean, std, channel order and the order of the classes."
    if accuracy is not None:
        reached = (
            f"accuracy on {accuracy['labelled']:,} labelled clean images is {accuracy['value']:.1%} "
            f"({accuracy['lower']:.1%} to {accuracy['upper']:.1%})"
        )
        if claimed is not None and accuracy["upper"] < claimed - _FAR:
            told.append(f"The {reached}, far below the claimed accuracy of {claimed:.1%}. {check}")
        elif accuracy["labelled"] >= _FEWEST and accuracy["lower"] < 1.5 / num_classes:
            told.append(f"The {reached}, hardly better than guessing among {num_classes:,} classes. {check}")
        elif claimed is None and accuracy["labelled"] >= _FEWEST and accuracy["upper"] < _LOW:
            told.append(
                f"The {reached}, below half. {check} If the model's real accuracy is so low, give this accuracy with --claimed-accuracy."
            )
    invalid = float((predicted < 0).mean())
    if invalid > 0:
        told.append(f"The model gave NaN or infinite scores for {invalid:.1%} of the clean images.")
    valid = predicted[predicted >= 0]
    if len(valid) >= _FEWEST and accuracy is None:
        most = np.bincount(valid.astype(np.int64)).max() / len(valid)
        if most > _MOST_ONE_CLASS:
            told.append(f"The model predicts the same class for {most:.0%} of the clean images. {check}")
    return told


def odd_preprocessing(
    opened: Suspect, clean: ImageSet, truth: NDArray[np.int64] | None, resize: Literal["stretch", "crop"]
) -> str | None:
    """Return a warning if another usual preprocessing fits the clean images better than the present preprocessing; None
    otherwise."""
    warning = preprocessing_warning(opened, clean.images, truth, resize=resize)
    told = None if warning is None else warning.removeprefix("note: ")
    return told and told[0].upper() + told[1:]
