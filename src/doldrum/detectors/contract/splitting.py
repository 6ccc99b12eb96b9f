"""Split clean inputs into two parts: one part to fit a detector, and one part to calibrate this detector. No input is
used for both fitting and calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doldrum.data import ImageSet
from doldrum.data.store import PixelStore
from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.stats.conformal import tie_breakers

__all__ = ["check_apart", "fit_and_calibration"]

_IN_MEMORY = 1 << 30


def fit_and_calibration(clean: ImageSet, fit: int) -> tuple[ImageSet, ImageSet]:
    """Split the clean inputs at random into two parts, and return both. `fit` is the number of inputs in the first
    part. Each call with the same inputs gives the same split.

    More than 1 GiB of uint8 pixels are written to a memory-mapped temporary file.

    >>> import numpy as np
    >>> clean = ImageSet(np.zeros((10, 1, 2, 2), np.uint8))
    >>> [len(part) for part in fit_and_calibration(clean, 4)]
    [4, 6]
    """
    order = rng(0, "fit and calibration").permutation(len(clean))
    return _dealt(clean, order[:fit]), _dealt(clean, order[fit:])


def check_apart(fit: ImageSet, calibration: ImageSet) -> None:
    """Raise InputError if more than 1% of the calibration inputs are also inputs of fit. `calibrate` makes this check
    too, but only after `fit` has done its work.

    >>> import numpy as np
    >>> check_apart(*fit_and_calibration(ImageSet(np.zeros((10, 1, 2, 2), np.uint8)), 4))
    Traceback (most recent call last):
    doldrum.errors.InputError: expected clean images that differ, got copies: 6 of the 6 that calibrate are among ... remove them
    """
    same = int(np.isin(tie_breakers(calibration.images, 0), tie_breakers(fit.images, 0)).sum())
    if same > 0.01 * len(calibration):
        raise InputError(
            f"expected clean images that differ, got copies: {same} of the {len(calibration)} that calibrate are among the "
            f"{len(fit)} that the detector is fitted on; remove them"
        )


def _dealt(clean: ImageSet, order: NDArray[np.int64]) -> ImageSet:
    if clean.images.dtype != np.uint8 or len(order) * clean.images[:1].nbytes <= _IN_MEMORY:
        return clean.take(order)
    store = PixelStore(in_memory=_IN_MEMORY)
    for i in order:
        store.add(clean.images[int(i)])
    labels = None if clean.labels is None else clean.labels[order]
    return ImageSet(store.finish(), labels, [clean.ids[int(i)] for i in order], clean.class_names, clean.name)
