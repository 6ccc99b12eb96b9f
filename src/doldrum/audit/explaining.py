"""In the confined process: explain the most suspicious flagged images of an audit (`doldrum.explanations`)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from doldrum.confined.scanning.plan import Task
from doldrum.data import ImageSet
from doldrum.errors import EndpointError, InputError
from doldrum.explanations.effort import LEAST
from doldrum.explanations.explain import FOUND, explained
from doldrum.explanations.job.pixels import write_shown
from doldrum.opening.settings import notes_in_flags
from doldrum.records.explanations import Explanations

__all__ = ["STAGE", "explain_flagged"]

STAGE = {"explain": "explaining flagged images"}

_SHARE = 4  # of the scan's forwards one in so many, for all explanations
_LEAST = 100_000  # queries of a model that costs nothing


def explain_flagged(
    task: Task, images: ImageSet, clean: ImageSet, indices: Sequence[int], *, forwards: int
) -> tuple[Explanations | None, list[str]]:
    """Explain the images with the numbers in `indices`, the most suspicious image first. Return the explanations, and a
    list of remarks for the audit's record.

    The explanations are None if there is no image to explain, or if the time or the allowed number of queries is too
    small. `forwards` is the scan's number of forward passes. The pixels of the pictures for the report are written into
    the folder of `task`.
    """
    if not len(indices):
        return None, []
    if task.deadline.over:
        return None, ["Flagged images were not explained: the time given by --budget ran out."]
    allowed, least = _allowed(task, forwards), LEAST + len(clean) + len(indices)
    if allowed < least and not (task.folder / FOUND).exists():
        return None, [
            f"Flagged images were not explained. Explanations need at least {least:,} queries (images sent to the model), but only {allowed:,} queries are allowed (a quarter of the scan's queries, and no more than --endpoint-queries leaves). Use doldrum explain."
        ]

    @contextlib.contextmanager
    def bar(total: int) -> Iterator[Callable[[int], None]]:
        task.tell({"stage": "explain", "total": total})
        yield lambda done: task.tell({"done": done})

    try:
        found = explained(
            task.opened.classifier, images.take(indices), clean, alpha=0.05, max_queries=allowed, seed=task.seed,
            engine="auto", kept=task.folder / FOUND, bar=bar, over=lambda: task.deadline.over,
        )  # fmt: skip
    except (InputError, EndpointError) as error:  # the scan is done: it isn't lost for what comes on top
        return None, [f"Flagged images were not explained: {error}"]
    write_shown(task.folder, found)
    return found.without_pixels(), notes_in_flags(found.notes)


def _allowed(task: Task, forwards: int) -> int:
    """The number of queries that the explanations may use."""
    classifier, share = task.opened.classifier, forwards // _SHARE
    if not classifier.costly:
        return max(_LEAST, share)
    left = classifier.queries_left
    return max(1, share if left is None else min(share, left))
