"""The pictures of a test show some held-back images with the found pattern, and with the pattern of the best
control."""

from __future__ import annotations

import numpy as np

from doldrum.explanations.asking import OutOfQueries
from doldrum.explanations.methods.base import Carried, Images
from doldrum.explanations.search import Searcher, Source
from doldrum.records.explanations import Shown
from doldrum.records.parts import Pixels

__all__ = ["shown"]

_MOST = 6


def shown(
    searcher: Searcher, source: Source, ours: Carried, control: Source, theirs: Carried, scope: int | None
) -> tuple[Shown, dict[str, list[int]]] | tuple[None, None]:
    """The pictures of the first held-back images, and the classes that the model predicts for these pictures. The
    result is (None, None) if the allowed queries are used up.
    """
    rows = searcher.held(source.label, scope)[:_MOST]
    clean = searcher.pools.images[rows]
    with_ours, with_theirs = ours(clean), theirs(clean)
    try:
        labels = searcher.kept.get(
            f"shown/{source.label}/{source.name}/{scope}",
            lambda: [searcher.asker.labels(x).tolist() for x in (with_ours, with_theirs)],
        )
    except OutOfQueries:
        return None, None
    pictures = Shown(
        image=Pixels.of(source.images[0]),
        found=Pixels.of(_alone(ours, clean)),
        control=Pixels.of(control.images[0]),
        control_found=Pixels.of(_alone(theirs, clean)),
        clean=Pixels.of(clean),
        with_found=Pixels.of(with_ours),
        with_control=Pixels.of(with_theirs),
    )
    return pictures, {"clean": searcher.pools.labels[rows].tolist(), "found": labels[0], "control": labels[1]}


def _alone(carried: Carried, clean: Images) -> Images:
    """A picture (C, H, W) of the pattern alone: the pattern is put on a medium grey image."""
    return carried(np.full_like(clean[:1], 0.5))[0]
