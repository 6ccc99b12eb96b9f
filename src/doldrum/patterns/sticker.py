"""A natural sticker: a piece of another image that is pasted into images."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from doldrum.patterns.places import checked_images, in_place, place_for
from doldrum.seeds import rng
from doldrum.triggers.masked import MaskedPattern

__all__ = ["sticker"]


def sticker(
    classifier: Any, images: NDArray[Any], *, size: int = 8, place: str = "lower right", seed: int
) -> MaskedPattern:
    """A square that is cut from one of the images and pasted at the same place in all images.

    The image, and the square in this image, are chosen at random with the seed. A nearly empty square is not used: at
    least a quarter of its pixel values must differ by more than .1 from its most common pixel value. If none of 64
    random squares satisfies this condition, the most varied of these squares is used. The classifier is ignored.

    `place` is a corner or "anywhere" (at a random place). Raises InputError if the square does not fit into the images,
    or if the place is unknown.

    >>> import numpy as np
    >>> images = np.random.default_rng(0).random((4, 1, 8, 8))
    >>> pasted = sticker(None, images, size=3, seed=1).pattern[0, 5:, 5:]
    >>> any((images[i, 0, r:r + 3, c:c + 3].astype(np.float32) == pasted).all()
    ...     for i in range(4) for r in range(6) for c in range(6))
    True
    """
    clean = checked_images(images)
    shape = clean.shape[1:]
    where = place_for(shape[1:], size=size, place=place, seed=seed)
    draw = rng(seed, "sticker")
    best, most = None, -1.0
    for _ in range(64):
        image = clean[int(draw.integers(len(clean)))]
        top, left = (int(draw.integers(side - size + 1)) for side in shape[1:])
        cut = image[:, top : top + size, left : left + size]
        varied = float((abs(cut - _mode(cut)) > 0.1).mean())
        if varied > most:
            best, most = cut, varied
        if varied >= 0.25:
            best = cut
            break
    assert best is not None  # 64 draws gave at least one
    return in_place(best, where, shape)


def _mode(cut: NDArray[Any]) -> float:
    """The most common pixel value in `cut`: the range [0, 1] is divided into ten bins, and the middle of the bin with
    the most pixels is returned."""
    import numpy as np

    counts, edges = np.histogram(cut, bins=10, range=(0, 1))
    at = int(counts.argmax())
    return float(edges[at] + edges[at + 1]) / 2
