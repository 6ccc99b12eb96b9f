"""A quick check for other commands: warn if the preprocessing looks wrong, with few forward passes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from doldrum.suspects.base import Suspect
from doldrum.suspects.preprocessing_check.answers import ask
from doldrum.suspects.preprocessing_check.candidates import Resize, usual_candidates
from doldrum.suspects.preprocessing_check.check import PreprocessingCheck, check_preprocessing, sample_of
from doldrum.suspects.preprocessing_check.compare import could_be_better
from doldrum.suspects.preprocessing_check.words import one_label_note

__all__ = ["preprocessing_note", "preprocessing_report", "preprocessing_warning"]

_FEWEST = 8  # images that get one label before it is worth a word
_PIXELS = 10_000_000  # values of all images that a warning may cost a look


def preprocessing_report(
    suspect: Suspect,
    images: Any,
    labels: ArrayLike | None = None,
    *,
    resize: Resize = "stretch",
    most: int = 300,
    seed: int = 0,
) -> PreprocessingCheck:
    """Run :func:`check_preprocessing` on a model from `open_model`. The model's notes decide which candidates can be tried."""
    return check_preprocessing(
        suspect.classifier,
        suspect.preprocessing,
        images,
        labels,
        resize=resize,
        fixed_range=_fixed_range(suspect),
        open_layout=any("rows of pixels" in note for note in suspect.notes),
        most=most,
        seed=seed,
    )


def preprocessing_warning(
    suspect: Suspect,
    images: Any,
    labels: ArrayLike | None = None,
    *,
    resize: Resize = "stretch",
    most: int | None = None,
    seed: int = 0,
) -> str | None:
    """A text "note: ..." with flags to set, if another usual preprocessing fits clean images better than the one in use; else None.

    The arguments are those of :func:`check_preprocessing`. At most `most` images are used: by default 200, and fewer for large images, but at
    least 50. If the model is right on nearly all images, or its labels are as varied and stable as possible, 3 forward passes per image are
    enough. Otherwise there are about 42. A model whose queries cost money is not run. Nothing is changed.
    """
    return _looked_at(suspect, images, labels, resize=resize, most=most, seed=seed)[0]


def preprocessing_note(
    suspect: Suspect, images: Any, labels: ArrayLike | None = None, *, resize: Resize = "stretch", seed: int = 0
) -> str | None:
    """Return the warning of :func:`preprocessing_warning`, if there is one. Otherwise, return a "note: ..." if all of
    at least 8 images got the same label, and None in all other cases."""
    warning, one_label = _looked_at(suspect, images, labels, resize=resize, most=None, seed=seed)
    return warning or one_label


def _looked_at(
    suspect: Suspect, images: Any, labels: ArrayLike | None, *, resize: Resize, most: int | None, seed: int
) -> tuple[str | None, str | None]:
    """The warning, and the note about images that all got one label. The warning is None if there is no reason for a
    warning, and the note is None if there is no reason for a note."""
    classifier = suspect.classifier
    if classifier.costly:
        return None, None
    if most is None:
        most = int(min(200, max(50, _PIXELS // np.prod(classifier.input_shape))))
    sample = sample_of(classifier, images, labels, resize=resize, most=most, seed=seed)
    as_opened = usual_candidates(suspect.preprocessing, resize=resize)[:1]
    (before,) = ask(classifier, as_opened, sample.images, sample.picked, opened=suspect.preprocessing)
    if not could_be_better(before, sample.truth, classifier.num_classes):
        return None, None
    report = preprocessing_report(suspect, images, labels, resize=resize, most=most, seed=seed)
    one = len(before.labels) >= _FEWEST and bool((before.labels == before.labels[0]).all())
    return report.warning, one_label_note(int(before.labels[0]), len(before.labels)) if one else None


def _fixed_range(suspect: Suspect) -> bool:
    """Whether input values are clipped to [0, 1] or rounded before they reach the model."""
    return any("rounded" in note for note in (*suspect.notes, *getattr(suspect.classifier, "notes", ())))
