"""Study sigma: how the result of `study smoothing` depends on strength, draws, clipping and the estimator of W.

The models and inputs stay the same, and one setting is changed at a time. With a good default setting, the effect has
the same sign for all attacks that make the model smoother. The effect should also vary little from model to model, and
there should be no effect between two clean models. The rules for the noise strength use only clean inputs of the clean
model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.measuring import measure
from doldrum.probes import Gaussian
from doldrum.profiles import sigma_half, smoothness
from doldrum.responses import Responses
from doldrum.stats import entropy
from doldrum.studies.base import Cell, Study
from doldrum.studies.compare import HEADLINE
from doldrum.studies.material import check_inputs, choose_inputs, seed_of, trigger_and_plan, victim

__all__ = ["ESTIMATORS", "RULES", "STUDY", "run"]

ESTIMATORS = {
    "plug-in": entropy.plug_in, "miller-madow": entropy.miller_madow, "grassberger": entropy.grassberger,
    "nsb": entropy.nsb, "collision": entropy.collision,
}  # fmt: skip
DRAWS = (10, 20, 50, 100)
RULES = ("half", "quarter", "peak", "fixed .1", "flips 10%")
"""Rules for the noise strength at which W is measured.

The rules choose the strength where mean W reaches half of its peak (sigma-half), a quarter of the peak, or the peak itself; the
strength .1 for all data; or the strength at which 10% of the draws change their label.
"""


def run(cell: Cell) -> dict[str, Any]:
    """The effect of the trigger on W, a difference in differences, for each setting.

    In the result, `rules` holds the noise strength and the effect for each rule. `draws`, `estimators` and `clip` hold
    effects at sigma-half. `draws` holds the effect for each number of draws, computed from the first of the measured
    draws. `estimators` holds the effect for each estimator of W. `clip` holds two effects: one measured without and one
    with clipping noisy images to [0, 1]. `curve` holds the effect at each noise strength.
    """
    suspect, clean = victim(cell.victim), victim(cell.clean())
    trigger, plan = trigger_and_plan(cell, suspect)
    inputs = choose_inputs(cell, plan)
    picking = Gaussian(cell.strengths, draws=cell.draws, seed=seed_of(cell, "pick"))
    rules = strengths_of(measure(clean.model, inputs.pick, picking, progress=False), half=cell.sigma)
    images = {"clean": inputs.chosen, "triggered": trigger(inputs.chosen.images)}

    def responses(strengths: list[float], clip: bool) -> dict[str, Responses]:
        probe = Gaussian(strengths, draws=cell.draws, seed=seed_of(cell, "draws"), clip=clip)
        return {
            f"{name}/{kind}": measure(model.model, images[kind], probe, progress=False)
            for name, model in (("suspect", suspect), ("clean", clean))
            for kind in ("clean", "triggered")
        }

    half = rules["half"]
    open_, clipped = responses(sorted({*cell.strengths, *rules.values()}), False), responses([half], True)
    at = {s: {key: r.at(s).counts[:, 0] for key, r in open_.items()} for s in open_["clean/clean"].strengths}
    prefix = {
        n: {key: _counts(r.at(half).draws[:, 0, :n], r.num_classes) for key, r in open_.items()}
        for n in (*(n for n in DRAWS if n < cell.draws), cell.draws)
    }
    return {
        "target": cell.target,
        "sigma_half": half,
        "rules": {name: {"sigma": s, "effect": _effect(at[s])} for name, s in rules.items()},
        "draws": {str(n): _effect(counts) for n, counts in prefix.items()},
        "estimators": {name: _effect(at[half], function) for name, function in ESTIMATORS.items()},
        "clip": {"no": _effect(at[half]), "yes": _effect({k: r.counts[:, 0] for k, r in clipped.items()})},
        "curve": {f"{s:g}": _effect(at[s]) for s in cell.strengths},
    }


def strengths_of(pick: Responses, *, half: float | None = None) -> dict[str, float]:
    """The noise strength that each rule chooses, from clean inputs of the clean model only."""
    calm = smoothness(pick)
    strengths, mean = np.asarray(pick.strengths), calm.value.mean(axis=0)
    flips = (pick.draws != pick.labels[:, None, None]).mean(axis=(0, 2))
    peak = int(mean.argmax())
    rising = slice(0, peak + 1)
    found = {
        "half": sigma_half(calm) if half is None else half,
        "quarter": float(np.interp(mean[peak] / 4, [0, *mean[rising]], [0, *strengths[rising]])),
        "peak": float(strengths[peak]),
        "fixed .1": 0.1,
        "flips 10%": float(np.interp(0.1, [0, *np.maximum.accumulate(flips)], [0, *strengths])),
    }
    return {name: round(max(s, 1e-4), 5) for name, s in found.items()}


def _effect(counts: Mapping[str, NDArray[np.int64]], estimator: Any = entropy.plug_in) -> float:
    """The effect of the trigger: the fall of mean W with the trigger on the backdoored model, minus the fall on the
    clean model."""
    w = {key: float(np.mean(estimator(c))) for key, c in counts.items()}
    return round(w["suspect/clean"] - w["suspect/triggered"] - (w["clean/clean"] - w["clean/triggered"]), 6)


def _counts(labels: NDArray[np.int16], num_classes: int) -> NDArray[np.int64]:
    return np.stack([(labels == k).sum(axis=1) for k in range(num_classes)], axis=1)


STUDY = Study(
    name="sigma",
    cell=Cell,
    run=run,
    check=check_inputs,
    grids={
        "quick": {
            "recipe": "fashion-cnn-fast", "inputs": 100, "pick": 100, "draws": 50,
            "cells": [{"attack": ["badnets", "blended"], "seed": [0, 1]}, {"attack": "clean", "seed": [0]}],
        },
        "full": {
            "inputs": 100, "pick": 100, "draws": 50, "strengths": [0.06, 0.1, 0.2, 0.4, 0.9, 2.5],
            "cells": [{"attack": list(HEADLINE), "seed": [0, 1, 2, 3]}, {"attack": "clean", "seed": [0, 2]}],
        },
    },
)  # fmt: skip
