"""Summaries of the verdicts: AUROC, TPR at the promised rate, false alarms, cross-entropy, target classes and recovered triggers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.records.attacks import KEPT_OUT
from doldrum.report.studies.inspection.judged import ALL, LEVEL, VERDICT, Judged, Model, judged, names_of
from doldrum.stats.auroc import auroc
from doldrum.stats.conformal import flags_interval
from doldrum.stats.proportions import Interval, proportion

__all__ = ["CLASSIC", "ONE_TRIGGER", "Summary", "is_development", "judge_all", "neural_cleanse", "summary_of"]

CLASSIC = "neural-cleanse"
"""The name for Neural Cleanse with its published rule: an anomaly index above 2, without reference models."""
ONE_TRIGGER = (
    "badnets",
    "blended",
    "sig",
    "trojannn",
    "lf",
    "ftrojan",
    "adap-patch",
    "lsba",
    "label-consistent",
    "noise-hardened",
    "anti-smoothing",
    "adap-blend",
)
"""The attacks that have a single target class, and the same trigger for all inputs."""
_INDEX = 2.0


@dataclass(frozen=True)
class Summary:
    """The results of one inspector, or of all inspectors together, on the models of some attacks and on all clean models.

    Reference models are left out.
    """

    by: str
    models: int
    clean: int
    auroc: float
    tpr: float
    alarms: int
    promised: tuple[int, int] | None
    target: Interval
    success: float
    seconds: float


def is_development(model: Model) -> bool:
    """Whether the model is a development model, that is, was used to design the inspectors."""
    return model.network == "fashion-cnn" and 100 <= model.seed < 200 and model.attack not in KEPT_OUT


def judge_all(models: Sequence[Model]) -> dict[str, list[Judged]]:
    """The results of all models, by each inspector, by the verdict, and by the published rule of Neural Cleanse."""
    names = names_of(models)
    found = {name: judged(models, name, [name]) for name in names}
    out = {ALL: judged(models, ALL, VERDICT), **found}
    if "mask" in names:
        out[CLASSIC] = [neural_cleanse(m) for m in models if not m.reference and any(n[0] == "mask" for n in m.values)]
    return out


def neural_cleanse(model: Model) -> Judged:
    """Apply the published rule of Neural Cleanse to the sizes of the triggers that the mask inspector found. If the
    rule flags the model, `p` is 0, else 1.

    Source: Wang et al. 2019, "Neural Cleanse", IEEE S&P, section V.
    """
    sizes = {n: math.exp(-v) for n, v in model.values.items() if n[0] == "mask" and n[1] is None and n[2] is not None}
    values = np.array(list(sizes.values()))
    middle = float(np.median(values))
    index = (middle - float(values.min())) / max(1.4826 * float(np.median(np.abs(values - middle))), 1e-12)
    return Judged(model, CLASSIC, index, 0.0 if index > _INDEX else 1.0, min(sizes, key=lambda name: sizes[name]))


def summary_of(by: str, found: Sequence[Judged], attacks: Sequence[str], references: int) -> Summary:
    """Summarise the results on the models with one of `attacks`, and compare them with the results on all clean
    models."""
    clean = [j for j in found if j.model.clean]
    bad = [j for j in found if j.model.attack in attacks]
    flagged = [j for j in bad if j.p <= LEVEL]
    aimed = [j for j in flagged if j.model.attack != "all-to-all"]
    right = sum(j.points_to == j.model.target for j in aimed)
    recovered = [j.model.success[j.most] for j in flagged if j.most in j.model.success]
    seconds = [
        sum(v for name, v in j.model.seconds.items() if name in VERDICT)
        if by == ALL
        else j.model.seconds.get(by, math.nan)
        for j in bad
    ]
    return Summary(
        by=by,
        models=len(bad),
        clean=len(clean),
        auroc=auroc(np.array([j.score for j in clean]), np.array([j.score for j in bad])),
        tpr=len(flagged) / len(bad) if bad else math.nan,
        alarms=sum(j.p <= LEVEL for j in clean),
        promised=flags_interval(len(clean), references, LEVEL) if clean and by != CLASSIC else None,
        target=proportion(right, len(aimed), level=0.95),
        success=float(np.mean(recovered)) if recovered else math.nan,
        seconds=float(np.nanmean(seconds)) if seconds and by != CLASSIC else math.nan,
    )


def cross_entropy(found: Sequence[Judged], *, development: Sequence[Judged]) -> float:
    """The cross-entropy of the probability that a model is backdoored; for a constant probability of one half, it is log 2.

    The cross-entropy is averaged over clean models and over backdoored models separately, and the result is the mean of
    these two averages. The probability is P, where logit P = a + b log(1 + max(score, 0)). The values of a and b
    maximise the likelihood on the development models, with equal weight for clean and backdoored models.
    """
    x, y = _features(development)
    if len(set(y.tolist())) < 2:
        return math.nan
    a, b = _logistic(x, y)
    x, y = _features(found)
    loss = np.logaddexp(0, np.where(y > 0, -1, 1) * (a + b * x))
    both = [loss[y == label].mean() for label in (0, 1) if (y == label).any()]
    return float(np.mean(both)) if len(both) == 2 else math.nan


def _features(found: Sequence[Judged]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    x = np.log1p(np.clip([j.score for j in found], 0, 1e6))
    return x, np.array([not j.model.clean for j in found], dtype=np.int64)


def _logistic(x: NDArray[np.float64], y: NDArray[np.int64]) -> tuple[float, float]:
    """Fit a logistic regression by Newton's method. A ridge penalty of .01 bounds the slope if the classes are separable."""
    design = np.stack([np.ones_like(x), x], axis=1)
    weight = np.where(y > 0, 0.5 / max((y > 0).sum(), 1), 0.5 / max((y == 0).sum(), 1))
    beta, ridge = np.zeros(2), np.diag([0.0, 0.01])
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ beta))
        slope = design.T @ (weight * (y - p)) - ridge @ beta
        bend = design.T @ ((weight * p * (1 - p))[:, None] * design) + ridge + 1e-9 * np.eye(2)
        beta = beta + np.linalg.solve(bend, slope)
    return float(beta[0]), float(beta[1])


def numbers_of(found: Summary) -> dict[str, Any]:
    """The summary as a JSON-able dictionary."""
    return {
        "by": found.by, "models": found.models, "clean": found.clean, "auroc": _plain(found.auroc), "tpr": _plain(found.tpr),
        "alarms": found.alarms, "promised": found.promised and list(found.promised), "target": _plain(found.target.value),
        "success": _plain(found.success), "seconds": _plain(found.seconds),
    }  # fmt: skip


def _plain(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None
