"""W, the smoothness profile and sigma-half are computed here. The functions in this file are pure functions of
Responses, and need only NumPy."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_kind
from doldrum.errors import InputError
from doldrum.responses import Responses
from doldrum.stats import entropy, intervals
from doldrum.stats.intervals import Interval
from doldrum.stats.means import MeanEntropy
from doldrum.tables import MOST_ROWS, html_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Smoothness", "mean_smoothness", "sigma_half", "smoothness"]


@dataclass(frozen=True, eq=False)
class Smoothness:
    """W of every input at every noise strength, with the limits of its interval.

    `value`, `lower` and `upper` are (N, S) in [0, 1]: 0 if all labels are the same, 1 if all classes are equally
    frequent. If every draw of an input at a strength was invalid, `value`, `lower` and `upper` are NaN for this input
    at this strength. `level` is the coverage of each single interval. `method` is the method by which the intervals
    were calculated. `draws` is the number n of draws.
    """

    value: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    strengths: tuple[float, ...]
    ids: tuple[str, ...]
    labels: NDArray[np.int16]
    level: float
    method: str
    draws: int

    def __repr__(self) -> str:
        n, s = self.value.shape
        return f"Smoothness({n:,} inputs x {s} strengths, {self.draws} draws, {self.level:.0%} limits: {self.method})"

    def _repr_html_(self) -> str:
        """An HTML table of W and its limits for the first inputs, which a notebook shows."""
        strengths = [f"{strength:g}" for strength in self.strengths]
        return html_table(
            "Smoothness W: 0 if all labels are the same, 1 if all classes are equally frequent",
            {"draws": self.draws, "limits": f"{self.level:.0%}, {self.method}"},
            columns=["id", "class", *(f"W at {strength}" for strength in strengths)],
            rows=[
                [self.ids[i], int(self.labels[i]), *(_with_limits(*three) for three in zip(v, low, high, strict=True))]
                for i, (v, low, high) in enumerate(
                    zip(*(a[:MOST_ROWS] for a in (self.value, self.lower, self.upper)), strict=True)
                )
            ],
            total=len(self.value),
        )

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row per input and strength: id, label, strength, w, w_lower, w_upper. To get a Polars
        table, pass the result to `polars.from_pandas`."""
        import pandas as pd

        n, s = self.value.shape
        return pd.DataFrame(
            {
                "id": pd.array(
                    np.repeat(np.asarray(self.ids, dtype=object), s), dtype="string"
                ),  # text without rows, too
                "label": np.repeat(self.labels, s),
                "strength": np.tile(self.strengths, n),
                "w": self.value.ravel(),
                "w_lower": self.lower.ravel(),
                "w_upper": self.upper.ravel(),
            }
        )


def _with_limits(value: float, lower: float, upper: float) -> str:
    return f"{value:.3f} ({lower:.3f} to {upper:.3f})"


def smoothness(
    responses: Responses, *, level: float = 0.95, method: Literal["guaranteed", "posterior"] = "guaranteed"
) -> Smoothness:
    """W_sigma(x): the entropy of the label counts around each input, divided by log K.

    W = -sum_c p_c log p_c / log K, where p_c is the share of the n draws that get label c, and K is the number of
    classes. This value, the plug-in estimate of W, is in [0, 1]. Plug-in W is too low by about (K' - 1) / (2 n log K),
    where K' is the number of labels that occur. So compare inputs only if their numbers of draws are equal.

    Parameters
    ----------
    responses : Responses
    level : float
        The coverage in (0, 1) that each single interval has.
    method : "guaranteed" or "posterior"
        "guaranteed" intervals contain the true value with probability `level` for every distribution of labels.
        "posterior" intervals (Dirichlet mixture) are shorter, but contain the true value with probability `level` only
        on average over their prior. See :mod:`doldrum.stats.intervals`.

    Source: the measure is from Grosse et al., Backdoor Smoothing, Computers & Security 2022. The limits are this
    project's.

    Examples
    --------
    >>> r = Responses(np.array([[[0, 0, 1, 1]], [[2, 2, 2, 2]]]), np.array([0, 2]), strengths=[0.1], num_classes=4)
    >>> smoothness(r).value.tolist()
    [[0.5], [0.0]]
    """
    _check(responses)
    counts = responses.counts
    lower, upper = intervals.entropy_interval(counts, level=level, method=method)
    return Smoothness(
        value=entropy.plug_in(counts),
        lower=lower,
        upper=upper,
        strengths=tuple(responses.strengths),
        ids=tuple(responses.ids),
        labels=responses.labels,
        level=level,
        method=method,
        draws=responses.draws.shape[2],
    )


def mean_smoothness(responses: Responses | Iterable[Responses], *, level: float = 0.95) -> list[Interval]:
    """Mean W over the inputs, with one Interval per strength. The interval takes into account that inputs share draws.

    All inputs get the same draws, so their values of W are not independent. The interval adds a jackknife over draws to
    the spread over inputs (:func:`doldrum.stats.means.mean_entropy`).

    You can also pass the parts of one measurement, as an object that can be read twice: a list, or a
    :class:`doldrum.measuring.StoredResponses`. If you pass parts, only one part is in memory at a time.
    """
    parts = [responses] if isinstance(responses, Responses) else responses
    taken = None
    for part in parts:
        _check(part)
        some = np.any(part.draws >= 0, axis=0)
        taken = some if taken is None else taken | some
    if taken is None:
        raise InputError("expected at least one Responses object to average over, got none")
    means: list[MeanEntropy] = []
    for part in parts:
        means = means or [MeanEntropy(row, part.num_classes) for row in taken]
        for c, mean in enumerate(means):
            mean.add(part.draws[:, c])
    return [mean.interval(level) for mean in means]


def _check(responses: object) -> None:
    if not isinstance(responses, Responses):
        raise InputError(f"expected Responses, got {type(responses).__name__}; dd.measure gives them")


# Mean W that rises by less than this share of its peak a doubling has reached its plateau: half of the peak moves by
# half of that, and on the rising edge the strength where it is crossed by about as little.
_PLATEAU = 0.05


def _last_rise(strengths: NDArray[np.float64], mean: NDArray[np.float64]) -> float:
    """The increase of mean W from half of the grid's last strength to the last strength."""
    half = np.interp(float(strengths[-1]) / 2, np.append(0.0, strengths), np.append(0.0, mean))
    return float(mean[-1]) - float(half)


def sigma_half(clean: Smoothness) -> float:
    """Find sigma-half: the smallest strength at which mean W of clean inputs reaches half of its peak. W of different
    inputs is compared at this strength.

    Mean W of clean inputs rises from 0 to a peak. With noise much stronger than the image, mean W falls back to 0 if
    the model then always predicts one class. If the class predicted under strong noise depends on the noise draw, mean
    W falls only to a plateau. (For example, a nearly scale-free network gives x + s*eps the same label as the noise
    eps.) At strengths where mean W rises, results depend little on the attack. At the strength where mean W is highest,
    results depend on the attack. Sigma-half is interpolated linearly between the two measured strengths around it. (If
    sigma-half is below the first measured strength, the interpolation starts at strength 0, where W is 0.)

    Parameters
    ----------
    clean : Smoothness
        W of clean inputs over a grid of strengths that includes the peak of mean W (.02 to 1.5 for images in [0, 1]).
        These clean inputs must not be used for anything else.

    Returns
    -------
    float
        The strength, in units of the [0, 1] pixel range. Then measure again, with noise of this strength.

    Raises
    ------
    InputError
        Raised if mean W is still rising at the last strength (by more than 5% of its peak when the strength doubles),
        since the peak may be beyond the grid. InputError is also raised if mean W is 0 at every strength, or if all
        draws at a strength were invalid.

    Examples
    --------
    >>> draws = np.array([[[0] * 4, [0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1]]])
    >>> r = Responses(draws, np.array([0]), strengths=[0.1, 0.2, 0.4, 0.8], num_classes=2)
    >>> round(sigma_half(smoothness(r)), 4)
    0.1616
    """
    if not is_kind(clean, Smoothness):
        raise InputError(f"expected a Smoothness, got {type(clean).__name__}; pass dd.smoothness(responses)")
    strengths = np.asarray(clean.strengths)
    unknown = strengths[np.isnan(clean.value).all(axis=0)]
    if len(unknown):
        raise InputError(
            f"expected valid labels at every noise strength, got only invalid draws at strength {', '.join(f'{s:g}' for s in unknown)}; leave this strength out, or fix the model's NaN or infinite scores"
        )
    order = np.argsort(strengths)
    strengths, mean = strengths[order], np.nanmean(clean.value, axis=0)[order]
    peak = int(mean.argmax())
    if mean[peak] <= 0:
        raise InputError(
            "expected clean inputs whose labels change under noise, got mean W = 0 at every strength; "
            "add stronger noise to the grid"
        )
    if peak == len(mean) - 1 and _last_rise(strengths, mean) > _PLATEAU * mean[peak]:
        raise InputError(
            f"expected a peak of mean W inside the grid of strengths, got the highest mean W at the last strength of the grid ({strengths[peak]:g}); add larger strengths (for images in [0, 1], strengths from .02 to 1.5 contain the peak)"
        )
    half = mean[peak] / 2
    above = int(np.argmax(mean >= half))
    x0, y0 = (strengths[above - 1], mean[above - 1]) if above else (0.0, 0.0)
    x1, y1 = strengths[above], mean[above]
    return float(x0 + (half - y0) / (y1 - y0) * (x1 - x0))
