"""Split-conformal p-values, thresholds with a promised false-positive rate, and limits of the number of flags.

A higher score is more suspicious. All promises hold for clean inputs that are exchangeable with the calibration inputs.
The inputs may have any distribution, but the score must be a fixed function of the input.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.checks import is_number, whole_number
from doldrum.errors import InputError
from doldrum.pixels import to_float
from doldrum.stats._counts import check_level
from doldrum.stats._laws import betabinom_pmf
from doldrum.stats._special import betaincinv
from doldrum.stats.proportions import Interval

__all__ = [
    "Discoveries", "benjamini_hochberg", "check_size", "fewest_discoveries", "flags_interval", "flags_limit",
    "needed_size", "num_allowed", "num_discoveries", "p_values", "realised_fpr", "smallest_fpr", "smallest_fpr_text",
    "threshold", "tie_breakers",
]  # fmt: skip

_EXACT = 1 << 22  # inputs whose flags have a law that is computed number by number


def tie_breakers(images: NDArray[Any], seed: int) -> NDArray[np.float64]:
    """One number in [0, 1) per image, which orders images with equal scores.

    The number depends only on the seed and the pixels. The number is the first 53 bits of a keyed BLAKE2b hash of the
    float32 pixels. So an image's number does not depend on its position in the array, or on the other images. The uint8
    and the float32 version of an image get the same number. Without the seed, nobody can predict the number.

    >>> x = np.array([[[[0]]], [[[255]]], [[[0]]]], dtype=np.uint8)
    >>> a, b, c = tie_breakers(x, seed=1)
    >>> bool(a == c), bool(a == b), bool((tie_breakers(x / np.float32(255), seed=1) == [a, b, c]).all())
    (True, False, True)
    """
    key = hashlib.sha256(f"ties:{int(seed)}".encode()).digest()
    numbers = np.empty(len(images))
    for i, image in enumerate(images):
        digest = hashlib.blake2b(np.ascontiguousarray(to_float(image)).tobytes(), key=key, digest_size=8).digest()
        numbers[i] = (int.from_bytes(digest, "big") >> 11) * 2.0**-53
    return numbers


def p_values(
    calibration: ArrayLike,
    scores: ArrayLike,
    *,
    calibration_ties: ArrayLike,
    ties: ArrayLike,
    calibration_groups: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Conformal p-values: p = (1 + number of calibration inputs at least as suspicious as the input) / (n + 1).

    Equal scores are ordered by their tie breakers. For a clean input and every number a, P(p <= a) <= a. If there are
    groups (e.g. predicted classes), an input is compared only with calibration inputs of its own group. So P(p <= a) <=
    a holds within each group. Inputs of a group without calibration inputs get p = 1.

    Parameters
    ----------
    calibration, calibration_ties : floats (n,)
        Scores of clean inputs that are used only for calibration, and their tie breakers (:func:`tie_breakers`).
    scores, ties : floats (m,)
    calibration_groups, groups : integers (n,) and (m,), optional

    Returns
    -------
    float64 (m,), in (0, 1].

    Raises InputError if a score is NaN or lengths do not match.

    Source: Vovk, Gammerman, Shafer, Algorithmic learning in a random world, 2005; Bates et al., arXiv 2104.08279, eq. 2.

    >>> p_values([1.0, 2.0, 3.0], [2.5, 9.0, 1.0], calibration_ties=[0.1, 0.2, 0.3], ties=[0, 0, 0.5]).tolist()
    [0.5, 0.25, 0.75]
    """
    cal, cal_ties = _pair(calibration, calibration_ties)
    new, new_ties = _pair(scores, ties)
    if (calibration_groups is None) != (groups is None):
        raise InputError(
            "expected groups for both the calibration and the scores, got them for only one; pass both or neither"
        )
    if calibration_groups is None or groups is None:
        return (1 + _at_least(cal, cal_ties, new, new_ties)) / (len(cal) + 1)
    cal_groups, new_groups = np.asarray(calibration_groups), np.asarray(groups)
    if cal_groups.shape != cal.shape or new_groups.shape != new.shape:
        raise InputError(
            f"expected one group per score ({len(cal)} and {len(new)}), got shapes {cal_groups.shape} and {new_groups.shape}"
        )
    p = np.ones(len(new))
    for group in np.unique(new_groups):
        mine, its = new_groups == group, cal_groups == group
        p[mine] = (1 + _at_least(cal[its], cal_ties[its], new[mine], new_ties[mine])) / (its.sum() + 1)
    return p


def num_allowed(n: int, fpr: float) -> int:
    """k = floor(fpr (n + 1)).

    The p-value of an input is at most `fpr` if fewer than k calibration inputs are at least as suspicious as the input.

    >>> num_allowed(500, 0.01), num_allowed(99, 0.01), num_allowed(98, 0.01)
    (5, 1, 0)
    """
    n = _size(n)
    if not is_number(fpr) or not 0 < fpr < 1:
        raise InputError(f"expected a false-positive rate in (0, 1), got {fpr!r}; pass fpr=0.01 for 1%")
    return math.floor(fpr * (n + 1) + 1e-9)  # .29 * 100 is 28.999999999999996


def smallest_fpr(n: int) -> float:
    """The smallest false-positive rate that n calibration inputs can promise: 1 / (n + 1)."""
    return 1 / (_size(n) + 1)


def smallest_fpr_text(n: int) -> str:
    """The smallest false-positive rate that n >= 1 calibration inputs can promise, as text, rounded up to two digits.

    >>> [smallest_fpr_text(n) for n in (2, 6, 19, 98, 99, 100)]
    ['0.34', '0.15', '0.05', '0.011', '0.01', '0.01']
    """
    exact = Decimal(1) / (_size(n, least=1) + 1)
    return f"{exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), ROUND_CEILING).normalize():f}"


def needed_size(fpr: float) -> int:
    """The smallest number of calibration inputs that can promise the false-positive rate `fpr`.

    >>> needed_size(0.01), needed_size(0.05), needed_size(0.3)
    (99, 19, 3)
    """
    size = max(0, math.floor(1 / fpr) - 2) if is_number(fpr) and 0 < fpr < 1 else 0
    while num_allowed(size, fpr) < 1:
        size += 1
    return size


def check_size(n: int, fpr: float, *, what: str = "calibration inputs") -> None:
    """Raise InputError if n inputs cannot promise `fpr`. The error message says how many inputs are needed."""
    if num_allowed(n, fpr) < 1:
        other = f", or ask for a rate of at least {smallest_fpr_text(n)}" if n else ""
        raise InputError(
            f"expected at least {needed_size(fpr)} {what} for a false-positive rate of {fpr:g}, got {n}; add clean inputs{other}"
        )


def threshold(calibration: ArrayLike, fpr: float) -> float:
    """The score above which inputs are flagged: the k-th highest calibration score, with k = floor(fpr (n + 1)).

    For scores equal to the threshold, the tie breakers decide.

    >>> threshold(np.arange(100.0), 0.05)
    95.0
    """
    cal = _numbers(calibration, "calibration scores")
    check_size(len(cal), fpr)
    k = num_allowed(len(cal), fpr)
    return float(np.partition(cal, len(cal) - k)[len(cal) - k])


def realised_fpr(n: int, fpr: float, *, level: float = 0.95) -> Interval:
    """The actual false-alarm rate with n calibration inputs: its mean over calibration sets, with limits.

    Over calibration sets, the actual rate has the distribution Beta(k, n + 1 - k), with k = floor(fpr (n + 1)). `value`
    is the mean of this Beta distribution, k / (n + 1), which is at most `fpr`. For a share `level` of all possible
    calibration sets, the actual rate is within the limits.

    Source: Vovk, Conditional validity of inductive conformal predictors, 2012; exact for scores without ties.

    >>> realised_fpr(500, 0.01)
    Interval(value=0.00998..., lower=0.0032..., upper=0.020...)
    """
    check_size(n, fpr)
    k, tail = num_allowed(n, fpr), (1 - check_level(level)) / 2
    lower, upper = betaincinv(k, n + 1 - k, [tail, 1 - tail])
    return Interval(k / (n + 1), float(lower), float(upper))


def flags_interval(m: int, n: int, fpr: float, *, level: float = 0.95) -> tuple[int, int]:
    """An interval (fewest, most) for the number of flags among m clean inputs.

    The number of flags is below `fewest` with probability at most (1 - level) / 2, and above `most` with probability at
    most (1 - level) / 2. The number of flags has the beta-binomial distribution (m, k, n + 1 - k), with k = floor(fpr
    (n + 1)). This beta-binomial distribution allows for the randomness of both the calibration set and the inputs.

    >>> flags_interval(1000, 500, 0.01)
    (2, 23)
    """
    check_size(n, fpr)
    m = _size(m, "the number of inputs", least=0)
    k, tail = num_allowed(n, fpr), (1 - check_level(level)) / 2
    fewest, most = np.searchsorted(np.cumsum(betabinom_pmf(m, k, n + 1 - k)), [tail, 1 - tail])
    return int(fewest), min(int(most), m)


def flags_limit(m: int | Sequence[int], n: int | Sequence[int], fpr: float, *, level: float = 0.95) -> int:
    """The upper limit of the number of flags among m clean inputs at the promised rate.

    The number of flags is above the returned limit with probability at most 1 - level. For class-conditional
    calibration, m and n are lists with the numbers of inputs and of calibration inputs per group, and the flags of all
    groups are added. A group without calibration inputs flags nothing. For more than four million inputs, the limit for
    four million inputs is scaled up, so the result is slightly too high.

    >>> flags_limit(1000, 500, 0.01), flags_limit([1000], [500], 0.01)
    (20, 20)
    """
    inputs = [_size(one, "the number of inputs") for one in np.atleast_1d(m).tolist()]
    sizes = [_size(one) for one in np.atleast_1d(n).tolist()]
    if len(inputs) != len(sizes):
        raise InputError(
            f"expected m and n of the same length, one of each per group, got {len(inputs)} and {len(sizes)}; give both for every group"
        )
    num_allowed(0, fpr)  # refuses what is no rate
    check_level(level)
    if (shrunk := sum(inputs) / _EXACT) <= 1:
        return _flags_limit(tuple(zip(inputs, sizes, strict=True)), fpr, level)
    # The law of the share hardly changes any more, and is a little wider for fewer inputs: the limit is on the safe side.
    fewer = _flags_limit(tuple(zip((math.ceil(i / shrunk) for i in inputs), sizes, strict=True)), fpr, level)
    return min(sum(inputs), math.ceil(fewer * shrunk))


@lru_cache(maxsize=1024)  # in front of a model the same few are asked for with every image
def _flags_limit(pairs: tuple[tuple[int, int], ...], fpr: float, level: float) -> int:
    total: NDArray[np.float64] = np.ones(1)
    for inputs, size in pairs:
        k = num_allowed(size, fpr)
        if inputs == 0 or k == 0:
            continue
        law = betabinom_pmf(inputs, k, size + 1 - k)
        more = np.cumsum(law[::-1])[::-1]  # P(at least so many): below 1e-13 no figure changes at float precision
        total = np.convolve(total, law[more > 1e-13])
    return int(np.searchsorted(np.cumsum(total), level - 1e-12))


@dataclass(frozen=True, eq=False)
class Discoveries:
    """The result of Benjamini-Hochberg: which inputs are flagged (`flags`).

    If any input is flagged, at least `fewest` inputs are flagged. If no input is flagged, `note` says why.
    """

    flags: NDArray[np.bool_]
    fdr: float
    fewest: int
    note: str

    def __len__(self) -> int:
        return int(self.flags.sum())


def fewest_discoveries(m: int, n: int, fdr: float) -> int:
    """The size of the smallest non-empty set that Benjamini-Hochberg can flag among m inputs with n calibration inputs.

    No p-value is below 1 / (n + 1). So j of the m inputs can be flagged only if 1 / (n + 1) <= fdr j / m. If the
    returned size is larger than m, no input can be flagged.

    >>> fewest_discoveries(10_000, 500, 0.1)
    200
    """
    m, n = _size(m, "the number of inputs"), _size(n)
    if not is_number(fdr) or not 0 < fdr < 1:
        raise InputError(f"expected a false-discovery rate in (0, 1), got {fdr!r}; pass fdr=0.1 for 10%")
    return math.ceil(m / (fdr * (n + 1)) - 1e-9)


def benjamini_hochberg(p: ArrayLike, *, fdr: float, num_calibration: int) -> Discoveries:
    """The largest set of inputs in which the expected share of clean inputs is at most `fdr`.

    The set contains the inputs with the j smallest p-values, for the largest j with p_(j) <= fdr j / m.

    Parameters
    ----------
    p : floats (m,)
        Conformal p-values from one calibration set of `num_calibration` inputs.
    fdr : float in (0, 1)

    Source: Benjamini and Hochberg 1995; valid for conformal p-values, Bates et al., arXiv 2104.08279, theorem 2.

    >>> benjamini_hochberg([0.01, 0.02, 0.5, 0.9], fdr=0.1, num_calibration=99).flags.tolist()
    [True, True, False, False]
    >>> benjamini_hochberg([0.01, 0.5], fdr=0.1, num_calibration=5).note
    'no set can be flagged at FDR 0.1, not even all 2 inputs: that needs at least 9 calibration inputs, got 5'
    """
    values = _numbers(p, "p-values")
    count, note = num_discoveries(values, np.ones(len(values), np.int64), fdr=fdr, num_calibration=num_calibration)
    flags = np.zeros(len(values), dtype=bool)
    flags[np.argsort(values, kind="stable")[:count]] = True
    return Discoveries(flags, fdr, fewest_discoveries(len(values), num_calibration, fdr), note)


def num_discoveries(p: ArrayLike, counts: ArrayLike, *, fdr: float, num_calibration: int) -> tuple[int, str]:
    """The number of inputs that :func:`benjamini_hochberg` flags, and the note that it gives.

    `counts` (k,) says how many inputs have each p-value of `p` (k,). One calibration set of n inputs gives at most n +
    1 different p-values. So even a billion inputs need little memory.

    >>> num_discoveries([0.01, 0.02, 0.9], [1, 1, 2], fdr=0.1, num_calibration=99)
    (2, '')
    """
    values, many = _numbers(p, "p-values"), _numbers(counts, "counts").astype(np.int64)
    if values.shape != many.shape:
        raise InputError(f"expected one count per p-value, got {len(many)} counts of {len(values)} p-values; give both")
    m = int(many.sum())
    fewest = fewest_discoveries(m, num_calibration, fdr)
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(many[order])
    passes = np.flatnonzero(values[order] <= fdr * upto / max(m, 1) + 1e-12)
    count = int(upto[passes[-1]]) if len(passes) else 0
    note = ""
    if m and fewest > m:
        note = (
            f"no set can be flagged at FDR {fdr:g}, not even all {m} inputs: that needs at least {needed_size(fdr)} "
            f"calibration inputs, got {num_calibration}"
        )
    elif m and not count:
        note = (
            f"no set is flagged at FDR {fdr:g}: with {num_calibration} calibration inputs, at least {fewest} of {m} inputs would have to "
            "stand out together"
        )
    return count, note


def _pair(scores: ArrayLike, ties: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = _numbers(scores, "scores"), _numbers(ties, "ties")
    if a.shape != b.shape:
        raise InputError(
            f"expected a list of scores and a list of ties of the same length, got shapes {a.shape} and {b.shape}; pass one tie per score"
        )
    return a, b


def _size(n: Any, what: str = "the number of calibration inputs", *, least: int = 0) -> int:
    return whole_number(n, what, least=least, hint="count the inputs")


def _numbers(values: ArrayLike, what: str) -> NDArray[np.float64]:
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"expected a list of {what}, got {type(values).__name__} ({error}); pass numbers") from error
    if found.ndim != 1:
        raise InputError(f"expected a list of {what}, got shape {found.shape}; pass one number per input")
    if np.isnan(found).any():
        hint = "use infinity for the most suspicious score" if what.endswith("scores") else "leave these out"
        raise InputError(f"expected {what} without NaN, got {int(np.isnan(found).sum())}; {hint}")
    return found


def _at_least(cal: NDArray[Any], cal_ties: NDArray[Any], new: NDArray[Any], ties: NDArray[Any]) -> NDArray[np.int64]:
    """For each new score, the number of calibration scores that are at least as high; equal scores are compared by
    their tie breakers."""
    both, both_ties = np.concatenate([cal, new]), np.concatenate([cal_ties, ties])
    # Among full equals the calibration inputs come last, so that they count as at least as suspicious.
    is_cal = np.arange(len(both)) < len(cal)
    order = np.lexsort((is_cal, both_ties, both))
    after = np.cumsum(is_cal[order][::-1])[::-1]
    counts = np.empty(len(both), dtype=np.int64)
    counts[order] = after
    return counts[len(cal) :]
