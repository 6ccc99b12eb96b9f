"""The rank correlation, over models, of the fall of W with attack success."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from doldrum.report.studies.models import ModelRow, title_of
from doldrum.stats.correlation import cluster_bootstrap, rank_correlation
from doldrum.stats.proportions import Interval

__all__ = ["MIN_HITS", "POOLED", "Correlation", "correlations"]

MIN_MODELS, MIN_HITS = 5, 10
POOLED = 4  # correlations over all attacks, before those of single ones


@dataclass(frozen=True)
class Correlation:
    """A rank correlation of the fall of W with ASR, over `models` models. The confidence interval comes from resampling
    models within attacks.

    The correlation is NaN if there are too few models, or if all models have the same ASR.
    """

    what: str
    models: int
    spearman: Interval
    kendall: float

    @property
    def shown(self) -> bool:
        """Whether the correlation is significantly positive: the whole confidence interval of Spearman's correlation is
        above 0."""
        return self.spearman.lower > 0


def correlations(rows: Sequence[ModelRow]) -> list[Correlation]:
    """The rank correlations of the page: pooled within attacks for all inputs and for successful inputs, and for each attack.

    Both pooled correlations are also adjusted for each model's mean W on clean inputs.
    """
    hits = [r for r in rows if r.hits >= MIN_HITS]
    found = [
        _correlation("pooled within attack", rows, lambda r: r.effect),
        _correlation(
            "pooled within attack, adjusted for the model’s mean W on clean images",
            rows,
            lambda r: r.effect,
            adjust=True,
        ),
        _correlation("among inputs that hit", hits, lambda r: r.effect_hit),
        _correlation(
            "among inputs that hit, adjusted for the model’s mean W on clean images",
            hits,
            lambda r: r.effect_hit,
            adjust=True,
        ),
    ]
    attacks = list(dict.fromkeys(r.attack for r in rows))
    assert len(found) == POOLED
    return found + [
        _correlation(f"{title_of(a)} alone", [r for r in rows if r.attack == a], lambda r: r.effect) for a in attacks
    ]


def _correlation(
    what: str, rows: Sequence[ModelRow], of: Callable[[ModelRow], float], *, adjust: bool = False
) -> Correlation:
    nothing = Interval(math.nan, math.nan, math.nan)
    if len(rows) < MIN_MODELS:
        return Correlation(what, len(rows), nothing, math.nan)
    asr, effect, w = (np.array([f(r) for r in rows]) for f in (lambda r: r.asr, of, lambda r: r.w_clean))
    attacks = np.unique([r.attack for r in rows], return_inverse=True)[1]

    def spearman(at: Any) -> float:
        return rank_correlation(asr[at], effect[at], strata=attacks[at], adjust=[w[at]] if adjust else [])

    found = cluster_bootstrap(spearman, [r.key for r in rows], strata=attacks)
    kendall = math.nan if adjust else rank_correlation(asr, effect, strata=attacks, kind="kendall")
    return Correlation(what, len(rows), found, kendall)
