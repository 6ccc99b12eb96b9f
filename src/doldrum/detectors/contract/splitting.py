"""Split clean inputs into two parts: one part to fit a detector, and one part to calibrate this detector. No input is
used for both fitting and calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doldrum.data import ImageSet
from doldrum.data.store import PixelStore
from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.stats.conformal import needed_size, num_allowed, smallest_fpr_text, tie_breakers

__all__ = ["check_apart", "check_different", "fit_and_calibration", "num_to_fit"]

_IN_MEMORY = 1 << 30
_MOST_COPIES = 0.1  # of the calibration inputs: real data have a few


def num_to_fit(
    count: int, fpr: float, *, least: int, most: int | None = None, share: float | None = None, other: str = ""
) -> int:
    """How many of `count` clean inputs are used to fit a detector that needs at least `least` inputs. The others calibrate it.

    By default, half of the inputs are used to fit, but at most `most`, and fewer if calibration for `fpr` needs more. With `share`, this share
    of the inputs is used.

    Raises InputError if there are too few inputs. The message says how many are needed in total, and which `fpr` is possible with the inputs
    given. `other` is added to the message.

    >>> [num_to_fit(n, 0.05, least=10) for n in (29, 30, 100)], num_to_fit(100, 0.05, least=10, share=0.3)
    ([10, 11, 50], 30)
    >>> num_to_fit(28, 0.05, least=10)
    Traceback (most recent call last):
    doldrum.errors.InputError: expected at least 29 clean images for fpr=0.05 (10 to fit and 19 to calibrate), got 28; add clean images, or pass fpr=0.053
    """
    needed = needed_size(fpr)
    if share is None:
        half = count // 2 if most is None else min(count // 2, most)
        cut, total = max(least, min(half, count - needed)), least + needed
    else:
        cut, total = max(1, round(share * count)), _total(share, least, needed)
    if cut >= least and num_allowed(max(0, count - cut), fpr) >= 1:
        return cut
    without = share is not None and not least <= cut < count
    left = count - (least if share is None or without else cut)
    hints = ["add clean images"]
    if left >= 1:
        rate = [] if num_allowed(left, fpr) >= 1 else [f"pass fpr={smallest_fpr_text(left)}"]
        hints.append(" and ".join([*["leave out fit_share="] * without, *rate]))
    else:
        hints[0] += f" (with fewer than {least + 1} clean images, no fpr= is possible)"
    some = "" if share is None else "at least "
    given = f"fpr={fpr:g}" if share is None else f"fpr={fpr:g} and fit_share={share:g}"
    raise InputError(
        f"expected at least {total} clean images for {given} ({some}{least} to fit and {needed} to calibrate), got {count}; {', or '.join(hints)}{other}"
    )


def _total(share: float, least: int, needed: int) -> int:
    """The smallest number of inputs of which a share `share` is at least `least`, and the rest at least `needed`."""
    total = max(1, int((least - 1) / share), int((needed - 1) / (1 - share)))
    while max(1, round(share * total)) < least or total - max(1, round(share * total)) < needed:
        total += 1
    return total


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
    ties = tie_breakers(calibration.images, 0)
    same = int(np.isin(ties, tie_breakers(fit.images, 0)).sum())
    if same > 0.01 * len(calibration):
        raise InputError(
            f"expected clean images that differ, got copies: {same} of the {len(calibration)} that calibrate are among the "
            f"{len(fit)} that the detector is fitted on; remove them"
        )
    check_different(ties)


def check_different(ties: NDArray[np.float64], fpr: float | None = None) -> None:
    """Raise InputError if more than a tenth of the calibration inputs are copies of others, or if too few are different to promise `fpr`.
    Copies are not exchangeable with new inputs, so with them the promised rate would not hold. `ties` are the inputs' tie breakers.

    >>> check_different(np.array([0.5, 0.5, 0.25]))
    Traceback (most recent call last):
    doldrum.errors.InputError: expected calibration inputs that differ, got copies: only 2 of 3 are different; remove the copies
    """
    different = len(np.unique(ties))
    few = fpr is not None and num_allowed(different, fpr) < 1 <= num_allowed(len(ties), fpr)
    if few or different < (1 - _MOST_COPIES) * len(ties):
        needed = f" (at least {needed_size(fpr)} for fpr={fpr:g})" if few and fpr is not None else ""
        raise InputError(
            f"expected calibration inputs that differ{needed}, got copies: only {different} of {len(ties)} are different; remove the copies"
        )


def _dealt(clean: ImageSet, order: NDArray[np.int64]) -> ImageSet:
    if clean.images.dtype != np.uint8 or len(order) * clean.images[:1].nbytes <= _IN_MEMORY:
        return clean.take(order)
    store = PixelStore(in_memory=_IN_MEMORY)
    for i in order:
        store.add(clean.images[int(i)])
    labels = None if clean.labels is None else clean.labels[order]
    return ImageSet(store.finish(), labels, [clean.ids[int(i)] for i in order], clean.class_names, clean.name)
