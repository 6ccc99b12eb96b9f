"""check_preprocessing: the usual preprocessings of a model beside the one that it was opened with."""

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
    """The candidates, and what they show: those shown to be better first, then the one as opened, then the others.

    `shown` says that `best` is better than the one as opened, beyond chance and by enough to matter. `warning` is one sentence that
    names flags, or None; `verdict` always says something. `labelled` says that accuracy was compared, else spread and steadiness.
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
        """The row that fits best: the one as opened, unless another is shown to be better."""
        return self.rows[0]

    @property
    def opened(self) -> Row:
        """The row of the model as it was opened."""
        return next(row for row in self.rows if row.opened)


@dataclass(frozen=True, eq=False)
class Sample:
    """Which images are asked about, and their classes where they are known."""

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

    A candidate is tried on the classifier as it is: images are changed so that the model sees what it would have seen. With labels,
    accuracy is compared, and a candidate is better by an exact McNemar test and at least 5 points. Without, what is compared is the
    information of its labels: -log of a label's share among the images, for labels that a turn by 8 degrees and 0.15 more brightness leave as
    they are (:attr:`Answers.information`). A candidate is then better where the one as opened is shown to
    have less than 85% of its information, by a z-test over images (20 or more), and it has half of what there can be. Both tests are at 1% over all candidates.

    Parameters
    ----------
    classifier : Classifier
        Opened with `opened`, which it applies itself. Labels are enough.
    images : (N, C, H, W), uint8 or float in [0, 1], RGB or grey
        At the classifier's size; or {"stretch": such, "crop": such}, of the same images, of which `resize` was asked for.
    labels : integers (N,), optional
        Classes; -1 for an image without one, which is then left out.
    more : (name, Preprocessing) pairs
        Candidates beside the usual ones, such as what the file's metadata say.
    fixed_range : bool
        The model takes bytes or clips its input: only orders of channels (and resizing) are tried.
    open_layout : bool
        The model takes rows of pixels, whose order nothing tells: channels last is tried too.
    most : int
        Images asked about, drawn at random; (1 + 2) forwards per image and candidate, of which there are about 13.

    Raises InputError for images or labels of other shapes, and where there are none.

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
    """At most `most` images, drawn at random; of those with a class, where there are labels."""
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
    """The one as opened and the best so far, with images resized the other way."""
    from dataclasses import replace

    best = max(range(len(candidates)), key=lambda k: float(figure(answers[k], truth).mean()))
    return [replace(candidates[k], resize=other) for k in sorted({0, best})]
