"""check_preprocessing: compare the usual preprocessings with the one that a model was opened with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.classifiers.base import Classifier
from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.suspects.base import Preprocessing
from doldrum.suspects.preprocessing_check.answers import COPIES, Answers, ask
from doldrum.suspects.preprocessing_check.candidates import Candidate, Resize, usual_candidates
from doldrum.suspects.preprocessing_check.compare import Row, figure, rows_of
from doldrum.suspects.preprocessing_check.words import verdict_of, warning_of

__all__ = ["PreprocessingCheck", "Sample", "check_preprocessing", "sample_of"]


@dataclass(frozen=True, kw_only=True)
class PreprocessingCheck:
    """The result of a check: one row per candidate preprocessing. Candidates that are shown to be better come first, then the preprocessing in use, then the other candidates.

    `shown` says whether `best` is better than the preprocessing in use, beyond chance and by enough to matter.
    `warning` is a text that names the flags to set, or None. `verdict` is always a text. `labelled` is True if
    accuracies were compared, and False if the information of predicted labels was compared.
    """

    rows: tuple[Row, ...]
    images: int
    labelled: bool
    forwards: int
    num_classes: int
    shown: bool
    warning: str | None
    verdict: str

    @property
    def best(self) -> Row:
        """The row for the preprocessing that fits best. This is the preprocessing in use, unless another preprocessing
        is shown to be better."""
        return self.rows[0]

    @property
    def opened(self) -> Row:
        """The row for the preprocessing with which the model was opened."""
        return next(row for row in self.rows if row.opened)


@dataclass(frozen=True, eq=False)
class Sample:
    """The images on which the candidates are compared, and their classes if these are known."""

    images: Mapping[Resize, Any]
    picked: NDArray[np.int64]
    truth: NDArray[np.int64] | None


def check_preprocessing(
    classifier: Classifier,
    opened: Preprocessing,
    images: Any,
    labels: ArrayLike | None = None,
    *,
    resize: Resize = "stretch",
    more: Sequence[tuple[str, Preprocessing]] = (),
    fixed_range: bool = False,
    open_layout: bool = False,
    most: int = 300,
    seed: int = 0,
) -> PreprocessingCheck:
    """Try the usual preprocessings on clean images, and say which fits best.

    The model is not opened again for a candidate: the images are changed so that the model gets the input values that
    the candidate preprocessing would give. With labels, accuracies are compared. A candidate is better if an exact
    McNemar test shows it, and its accuracy is at least 5 points higher.

    Without labels, the information of the predicted labels is compared (:attr:`Answers.information`). The information
    of a label is -log q, where q is the share of images with this label. A label has less information if it changes
    when the image is turned by 8 degrees or made brighter by 0.15. A candidate is better if it has at least half of the
    largest possible information, and if a z-test over 20 or more images shows that the preprocessing in use has less
    than 85% of the candidate's information. The McNemar test and the z-test each have an error probability of at most
    1% over all candidates.

    Parameters
    ----------
    classifier : Classifier
        A classifier that was opened with the preprocessing `opened`, and that does this preprocessing itself. A
        classifier that returns only labels is enough.
    images : (N, C, H, W), uint8 or float in [0, 1], RGB or grey
        Clean images of the size that the classifier takes. Or a dict {"stretch": images, "crop": images} with two
        versions of the same images; `resize` names the version in use.
    labels : integers (N,), optional
        The class of each image; -1 for an image without a class, which is left out.
    more : (name, Preprocessing) pairs
        Candidates in addition to the usual ones, for example from the file's metadata.
    fixed_range : bool
        Whether the model takes bytes or clips its input. If `fixed_range` is true, only orders of channels (and
        resizing) are tried.
    open_layout : bool
        Whether the model takes each image as a row of pixels, and the order of these pixels is unknown. If
        `open_layout` is true, the order with channels last is tried too.
    most : int
        The largest number of images, drawn at random. There are (1 + 2) forward passes per image and candidate, and about 13 candidates.

    Raises InputError for images or labels of wrong shapes, and if there are no images.

    >>> from doldrum.classifiers import as_classifier
    >>> rows = np.random.default_rng(0).permuted(np.repeat(np.arange(6), 40))
    >>> images = np.random.default_rng(1).uniform(0, 0.2, (240, 1, 6, 6)).astype(np.float32)
    >>> images[np.arange(240), 0, rows] += 0.6  # the class is which row is bright
    >>> wants_bytes = lambda x: (x[:, 0].mean(2) > 100) * 1.0  # of a model that wants 0 to 255
    >>> clf = as_classifier(wants_bytes, input_shape=(1, 6, 6), num_classes=6)
    >>> found = check_preprocessing(clf, Preprocessing(size=6, channels="grey"), images, rows)
    >>> found.best.flags, found.shown
    ('--scale 255 --mean 0 --std 1', True)
    """
    sample = sample_of(classifier, images, labels, resize=resize, most=most, seed=seed)
    candidates = usual_candidates(opened, resize=resize, more=more, fixed_range=fixed_range, open_layout=open_layout)
    answers = ask(classifier, candidates, sample.images, sample.picked, opened=opened)
    other: Resize = "crop" if resize == "stretch" else "stretch"
    if other in sample.images:
        more_candidates = _resized(candidates, answers, sample.truth, other)
        answers += ask(classifier, more_candidates, sample.images, sample.picked, opened=opened)
        candidates += more_candidates
    rows = rows_of(candidates, answers, sample.truth, resize=resize, num_classes=classifier.num_classes)
    facts: dict[str, Any] = {
        "images": len(sample.picked),
        "labelled": sample.truth is not None,
        "num_classes": classifier.num_classes,
    }
    return PreprocessingCheck(
        rows=rows,
        forwards=len(sample.picked) * len(candidates) * (1 + COPIES),
        shown=rows[0].better,
        warning=warning_of(rows, **facts),
        verdict=verdict_of(rows, **facts),
        **facts,
    )


def sample_of(
    classifier: Classifier, images: Any, labels: ArrayLike | None, *, resize: Resize, most: int, seed: int
) -> Sample:
    """Draw at most `most` images at random. If there are labels, draw only among images with a class."""
    given = cast("Mapping[Resize, Any]", images if isinstance(images, Mapping) else {resize: images})
    if resize not in given:
        raise InputError(
            f"expected images under the key {resize!r} (how the model's images are resized), got the keys {sorted(given)}; pass images under this key"
        )
    shapes = {tuple(array.shape) for array in given.values()}
    shape = next(iter(shapes))
    if len(shapes) != 1 or shape[1:] != classifier.input_shape or not shape[0]:
        wanted = ", ".join(map(str, classifier.input_shape))
        got = " and ".join(map(str, sorted(shapes)))
        raise InputError(
            f"expected images of shape (N, {wanted}), which the model takes, got {got}; resize the images first"
        )
    known = np.arange(shape[0])
    truth = None
    if labels is not None:
        truth = np.asarray(labels)
        fine = truth.shape == (shape[0],) and truth.dtype.kind in "iu"
        if not fine or truth.min() < -1 or truth.max() >= classifier.num_classes:
            raise InputError(
                f"expected a class from 0 to {classifier.num_classes - 1} (or -1) per image, got {truth.dtype} {truth.shape}; "
                "leave labels out if they are of other classes"
            )
        known = np.flatnonzero(truth >= 0)
        truth = truth.astype(np.int64) if len(known) else None
        known = known if len(known) else np.arange(shape[0])
    picked = known[np.sort(rng(seed, "preprocessing", "images").permutation(len(known))[:most])]
    return Sample(given, picked, None if truth is None else truth[picked])


def _resized(
    candidates: Sequence[Candidate], answers: Sequence[Answers], truth: NDArray[Any] | None, other: Resize
) -> list[Candidate]:
    """The preprocessing in use and the best candidate so far, both with the resizing method `other`."""
    from dataclasses import replace

    best = max(range(len(candidates)), key=lambda k: float(figure(answers[k], truth).mean()))
    return [replace(candidates[k], resize=other) for k in sorted({0, best})]
