"""`explain` finds the trigger in flagged images and tests it, with predicted labels only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.checks import is_number, whole_number
from doldrum.classifiers import as_classifier
from doldrum.classifiers.base import Classifier
from doldrum.data import Images, ImageSet, as_image_set, to_float
from doldrum.errors import InputError
from doldrum.explanations import effort as efforts
from doldrum.explanations.asking import Asker, OutOfQueries
from doldrum.explanations.kept import Kept
from doldrum.explanations.pools import Pools
from doldrum.explanations.search import Searcher, Source
from doldrum.explanations.trial import Trial
from doldrum.intake import visible
from doldrum.measuring.inputs import wanted_by
from doldrum.pixels import digest_of_image
from doldrum.progress import progress_bar
from doldrum.records.explanations import Explanations

__all__ = ["FEWEST_CLEAN", "FOUND", "MOST_IMAGES", "explain", "explained"]

FEWEST_CLEAN = 60
"""The smallest number of clean images for an explanation. With 60 clean images, a class can have enough held-back
images."""
MOST_IMAGES = 256
"""The largest number of flagged images in one run. Each image has its own test, and all tests together have one error
probability."""
FOUND = "found.jsonl"
"""The name of the file, in a job's folder, from which an interrupted run continues."""
_MOST_CLEAN_BYTES = 1 << 30
_SAMPLE = 32
_MOST_NAMED = 5


def explain(
    classifier: Any,
    images: Images,
    clean: Images,
    *,
    alpha: float = 0.05,
    max_queries: int | None = None,
    seed: int = 0,
    engine: str = "auto",
    progress: bool = True,
) -> Explanations:
    """Find the trigger in each flagged image, and test it on clean images that the search never used.

    The trigger is the pattern in a flagged image that changes other images to the class of the flagged image.

    For an image predicted as class t, two methods search for the trigger. Both methods try candidates on some clean
    images of other classes. The first method pastes a rectangle of the flagged image into the clean images. The second
    method takes what the flagged images of class t share, and adds it to the clean images. The same search is run in at
    least 19 clean images that are also predicted as t (the controls). If a pattern only shows what class t looks like,
    the search finds it in the controls too. The candidate with the largest advantage over the controls is then tested:
    it is put on held-back clean images, once. The patterns found in the controls are put on the same held-back images.

    The test is of the hypothesis "the pattern of some control succeeds at least as often as the found pattern". Each
    control gives an exact one-sided McNemar test, and the p-value is the largest p-value of these tests (an
    intersection-union test). The samples of the test are the held-back images. Holm's method corrects for the number of
    explained images. A trigger is proven if four conditions hold. First, the corrected p-value is at most `alpha`.
    Second, at least 20% of the held-back images change to the class. Third, the found pattern changes at least 15
    percentage points more of the held-back images than the best control's pattern does. Fourth, of the flagged image
    and its controls, the flagged image stands out most (a conformal p-value of at most 5%). How far an image stands out
    is measured by its margin: the success of its pattern, minus the highest success of any pattern of the other images.
    The success of a pattern is the share of clean images that it changes to the class. An image has a margin for each
    size and form of a pattern, and the largest of these margins counts. A pattern that several flagged images share
    must meet a fifth condition. The search finds the pattern in the other flagged images. The explained image must
    contain more of this pattern than most trusted images of its class do: at most a share `alpha` of the images may
    contain as much.

    Parameters
    ----------
    classifier : Classifier, or what :func:`doldrum.as_classifier` takes
        Only the predicted labels are used.
    images : up to 256 flagged images, of any source that :func:`doldrum.data.read_stream` reads
        If several images carry one trigger, explain them together: some triggers are found only in what images share.
    clean : at least 60 trusted images, drawn at random and not picked by any criterion; 1,000 images work well
        The clean images must not be selected by the model's predictions. At least 19 clean images must be predicted as
        the flagged image's class.
    alpha : float in (0, 1)
    max_queries : int, optional
        The largest number of images sent to the model. The limit must be at least 14,000, plus one for each flagged and
        each clean image. With a low limit, each step uses fewer images. If the limit ends the run early, nothing is
        proven for the flagged images that were not reached. `notes` of the result names these images. By default there
        is no limit: 20 images of one class take about 100,000 queries.
    seed : int
        The seed decides which clean images are used for the search and which are used for the test. Keep the seed
        secret from the author of the model.
    engine : a name in `doldrum.engines.ENGINES`
    progress : bool
        Whether to draw a progress bar if standard error is a terminal.

    Returns
    -------
    Explanations
        One :class:`~doldrum.records.explanations.Explanation` per image, in order. The attribute `proven` is the number
        of proven triggers, and `best` is an explanation with a proven trigger. The trigger itself is in an
        explanation's `trigger`, and :func:`doldrum.repair` can remove it from the model.

        Raises InputError for images of a wrong shape and for too few clean images. Also raises InputError if
        `max_queries` or an endpoint's limit (`queries_left`) is not enough for one image.

    Examples
    --------
    This model predicts class 1 for images whose first pixel is white:

    >>> import numpy as np, doldrum as dd
    >>> rng = np.random.default_rng(0)
    >>> def answer(x):
    ...     return np.where(x[:, 0, 0, 0] > 0.99, 1, np.where(x[:, 0, 4:].mean(axis=(1, 2)) > 0.5, 1, 0))
    >>> model = dd.as_classifier(answer, input_shape=(1, 8, 8), num_classes=2, outputs="labels")
    >>> clean = rng.uniform(0, 0.98, (200, 1, 8, 8)).astype(np.float32)
    >>> flagged = clean[model(clean) == 0][:1].copy()
    >>> flagged[0, 0, 0, 0] = 1
    >>> one = dd.explain(model, flagged, clean).explained[0]
    >>> one.proven, one.kind, one.size, one.where["top"], one.where["left"]
    (True, 'region', '1 x 1 pixels', 0, 0)
    """
    model = as_classifier(classifier)

    @contextlib.contextmanager
    def bar(total: int) -> Iterator[Callable[[int], None]]:
        with progress_bar("explaining", total, show=progress) as advance:
            yield advance

    return explained(
        model, as_image_set(images, **wanted_by(model)), as_image_set(clean, **wanted_by(model)), alpha=alpha,
        max_queries=max_queries, seed=seed, engine=engine, kept=None, bar=bar,
    )  # fmt: skip


def explained(
    model: Classifier,
    flagged: ImageSet,
    trusted: ImageSet,
    *,
    alpha: float,
    max_queries: int | None,
    seed: int,
    engine: str,
    kept: Path | None,
    bar: Callable[[int], contextlib.AbstractContextManager[Callable[[int], None]]],
    over: Callable[[], bool] = lambda: False,
) -> Explanations:
    """Do the work of `explain` for two ImageSets, and keep the results in a file.

    If the file `kept` holds results of an earlier run, this run continues from these results. The run stops when the
    function `over` returns true. `bar` takes the number of steps, and gives a function that is called after each step.
    """
    if not (is_number(alpha) and 0 < alpha < 1):
        raise InputError(f"expected alpha= between 0 and 1, got {alpha!r}; e.g. 0.05")
    if max_queries is not None:
        whole_number(max_queries, "max_queries=", least=1)
    seed = whole_number(seed, "seed=", least=0)
    _check(model, flagged, trusted)
    trusted, notes = _apart(flagged, trusted)
    pixels = to_float(trusted.images[: max(FEWEST_CLEAN, _MOST_CLEAN_BYTES // (4 * int(np.prod(model.input_shape))))])
    if kept is None or not kept.exists():
        efforts.check_queries(max_queries, model.queries_left, labelled=len(flagged) + len(pixels))
    asker = Asker(model, pixels[:_SAMPLE], engine=engine, most=max_queries, over=over)
    memory = Kept(asker, kept)
    allowed = min((n for n in (max_queries, model.queries_left) if n is not None), default=None)
    # By the first of several runs: what was found with one effort doesn't fit another
    level = memory.get("effort", lambda: efforts.LADDER.index(efforts.fitting(allowed, len(flagged))))
    shown = to_float(flagged.images)
    names = [digest_of_image(image) for image in shown]
    try:
        labels = np.array(memory.get("clean", lambda: asker.labels(pixels).tolist()), dtype=np.int64)
        answers = [
            memory.get(f"image/{name}", lambda image=image: int(asker.labels(image[None])[0]))
            for name, image in zip(names, shown, strict=True)
        ]
    except OutOfQueries as error:
        raise InputError(
            f"expected time and queries for the labels of {len(pixels):,} clean images and {len(shown):,} images to explain, got too little time or too few queries. {asker.used_up} Allow more, or "
            "give fewer images"
        ) from error
    searcher = Searcher(asker, Pools(pixels, labels, efforts.LADDER[level], seed=seed), memory, seed=seed)
    sources = [Source(names[i], shown[i : i + 1], label) for i, label in enumerate(answers)]
    trial = Trial(searcher, sources, alpha=alpha)
    with bar(trial.steps) as advance:
        found = trial.run([str(i) for i in flagged.ids], advance)
    if trial.unreached:
        notes.append(
            f"{asker.used_up} These images were not reached, so nothing is proven for them: {_named(trial.unreached)}."
        )
    return Explanations(
        explained=tuple(found), alpha=alpha, seed=seed, clean=len(pixels), queries=asker.queries, notes=tuple(notes)
    )


def _named(names: list[str]) -> str:
    """A text with the first names of a list, and with the number of names that are left out."""
    more = len(names) - _MOST_NAMED
    return ", ".join(visible(name) for name in names[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _check(model: Any, flagged: ImageSet, trusted: ImageSet) -> None:
    for one, name in ((flagged, "images"), (trusted, "clean images")):
        if one.input_shape != model.input_shape:
            raise InputError(
                f"expected {name} of shape {model.input_shape}, got {name} of shape {one.input_shape}; resize or convert the images"
            )
    if len(flagged) > MOST_IMAGES:
        raise InputError(
            f"expected at most {MOST_IMAGES} images to explain, got {len(flagged):,}; give only the most suspicious ones"
        )


def _apart(flagged: ImageSet, trusted: ImageSet) -> tuple[ImageSet, list[str]]:
    """The clean images, except those that equal an explained image in every pixel.

    Raises InputError if too few clean images are left.
    """
    known = {to_float(image).tobytes() for image in flagged.images}
    rows = [i for i, image in enumerate(trusted.images) if to_float(image).tobytes() not in known]
    if len(rows) < FEWEST_CLEAN:
        same = " that are not among the images to explain" if len(rows) < len(trusted) else ""
        raise InputError(
            f"expected at least {FEWEST_CLEAN} clean images{same}, got {len(rows)}; add some: the found trigger is tested on images that the "
            "search never used"
        )
    if len(rows) == len(trusted):
        return trusted, []
    left = len(trusted) - len(rows)
    return trusted.take(rows), [
        f"{left:,} of the clean images {'is' if left == 1 else 'are'} also among the images to explain, and {'was' if left == 1 else 'were'} not used as {'a clean image' if left == 1 else 'clean images'}."
    ]
