"""Study patterns: do artificial patterns that are not triggers make a model smoother too, and can W distinguish such a pattern from a trigger?

A cell is one pattern on one model: a backdoored model's own trigger, or a pattern made on a clean model. Patterns
differ in how many inputs they change to one class, and W depends on this number. So patterns are compared at equal
success. To get equal success, each pattern T is replaced by a faded pattern T_a:

    T_a(x) = x + a (T(x) - x),  0 < a <= 1.

The amount a is the smallest number for which a given share of the inputs with T_a is predicted as one class. Inputs
that the model predicts as the pattern's class even without the pattern are not measured. The unit of replication is the
model. Source of the claim: Grosse et al., Computers & Security 2022.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import doldrum.patterns as make
from doldrum.attacks import CLEAN, VictimSpec
from doldrum.classifiers import Classifier
from doldrum.errors import InputError
from doldrum.measuring import measure
from doldrum.pixels import to_float
from doldrum.probes import Gaussian, Superimpose
from doldrum.responses import Responses
from doldrum.seeds import rng
from doldrum.studies.base import Cell, Study, datasets, facts_of, num_test_images, unknown
from doldrum.studies.calm import sigma_half_of
from doldrum.studies.cell_checks import at_most, check_whole, numbers, share
from doldrum.studies.material import Inputs, check_inputs, choose_inputs, seed_of, trigger_and_plan, victim
from doldrum.studies.patterns.conditions import fade_to, faded, judged, profile, strip_scores, w_at
from doldrum.triggers import Trigger

__all__ = ["OWN", "PATTERNS", "STUDY", "PatternCell", "run"]

OWN = "trigger"
"""The pattern name "trigger". The name "trigger" means the attacked model's own trigger or, for a clean model, the patch of BadNets, which a clean model never learnt."""

PATTERNS: dict[str, Callable[[Any, Any, PatternCell, float], Trigger]] = {
    "uap-targeted": lambda m, x, c, s: make.universal_perturbation(m, x, target=c.target, budget=c.budget, seed=c.seed),
    "uap-untargeted": lambda m, x, c, s: make.universal_perturbation(m, x, budget=c.budget, seed=c.seed),
    "patch": lambda m, x, c, s: make.adversarial_patch(m, x, target=c.target or 0, size=c.size, seed=c.seed),
    "calm": lambda m, x, c, s: make.calm_pattern(m, x, budget=c.budget, sigma=s, draws=4, steps=100, seed=c.seed),
    "sticker": lambda m, x, c, s: make.sticker(m, x, size=c.size, seed=c.seed),
    "logo": lambda m, x, c, s: make.logo(m, x, size=c.size, seed=c.seed),
    "random-sign": lambda m, x, c, s: make.random_perturbation(m, x, budget=c.budget, seed=c.seed),
    "random-uniform": lambda m, x, c, s: make.random_perturbation(m, x, budget=c.budget, kind="uniform", seed=c.seed),
    "random-patch": lambda m, x, c, s: make.random_patch(m, x, size=c.size, seed=c.seed),
}
"""A dict from each pattern's name to a function. The function makes the pattern (a Trigger) from the model, images, the
cell and sigma-half."""

_MADE_ON, _OVERLAYS = 512, 32


@dataclass(frozen=True, kw_only=True)
class PatternCell(Cell):
    """A cell of the study: a pattern, its strength, and the success rates at which patterns are compared.

    Parameters
    ----------
    pattern
        The name of the pattern: "trigger", or a key of PATTERNS. With the attack "clean", the pattern is made on a
        clean model with the cell's seed.
    budget, size
        `budget` is the L-inf budget of a perturbation, for pixels in [0, 1]. `size` is the side of a patch in pixels.
    levels
        The success rates: shares of inputs that are predicted as one class.
    calibration
        The number of clean test images that are used to calibrate W and STRIP as detectors.
    """

    attack: str = CLEAN
    pattern: str = OWN
    budget: float = 0.2
    size: int = 8
    levels: tuple[float, ...] = (0.5, 0.9)
    inputs: int = 100
    pick: int = 100
    draws: int = 40
    calibration: int = 200
    strengths: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4, 0.8, 1.3, 2.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", numbers(self.levels, "levels", example="[0.5, 0.9]"))
        if self.pattern != OWN and self.pattern not in PATTERNS:
            raise InputError(unknown("a pattern", self.pattern, [OWN, *PATTERNS]))
        if self.attack == "all-to-all":
            raise InputError("expected an attack that sends inputs to one class, got all-to-all; leave out this attack")
        if max(self.levels) > 1:
            raise InputError(f"expected levels as success rates in (0, 1], got {self.levels}; e.g. 0.5 and 0.9")
        if not share(self.budget, "budget"):
            raise InputError(f"expected budget in (0, 1], got {self.budget!r}; change it")
        check_whole(self, ("calibration", 19, None))
        super().__post_init__()
        check_whole(self, ("size", 3, min(facts_of(self.data).input_shape[1:])))
        asked = self.calibration + self.pick + self.inputs
        at_most(num_test_images(self.data), self.data, asked, what="the sum of calibration, pick and inputs")

    @property
    def victim(self) -> VictimSpec:
        return self.clean() if self.attack == CLEAN else super().victim

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "levels": list(self.levels)}

    def label(self) -> str:
        return f"{super().label()}, {self.pattern}"


def run(cell: PatternCell) -> dict[str, Any]:
    """Measure one pattern on one model.

    The values are: `sigma_half` of the clean model with the cell's seed; `class`, the class to which the pattern
    changes predictions; `inputs`, the number of measured inputs; and `strengths`, the noise strengths. `conditions`
    holds an entry for "clean" (no pattern), for "full" (the full pattern) and for every level that was reached. An
    entry of `conditions` holds the `amount` a, and the `share` of inputs that the model predicts as the pattern's class
    (hits). An entry also has means over inputs at each noise strength: `w`, the mean of W, and `keep`, the mean share
    of draws that keep the input's label without noise. `hit_w` and `hit_keep` are the means of W and of `keep` over
    only the hits. `each_w` and `each_keep` hold the value of each input, and `hit` says whether the input is a hit.
    `judged` holds two results for "w" and for "strip": the `auroc` against the same inputs without the pattern, and the
    share `flagged` at a promised 5% of false alarms.
    """
    suspect, clean = victim(cell.victim), victim(cell.clean())
    own, plan = trigger_and_plan(cell, suspect)
    inputs = choose_inputs(cell, plan)
    sigma = sigma_half_of(cell, clean, inputs.pick)
    model = suspect.model
    train = datasets(cell.data)[0]
    some = to_float(train.images[rng(cell.seed, "study", "made on").permutation(len(train))[:_MADE_ON]])
    trigger = own if cell.pattern == OWN else PATTERNS[cell.pattern](model, some, cell, sigma)
    goal = plan.target if cell.attack != CLEAN else _gaining(model, some, trigger)
    images = to_float(inputs.chosen.images)
    images = images[_labels(model, images) != goal]
    if not len(images):
        raise InputError(
            f"expected inputs that the model does not predict as class {goal} without the pattern, got no such inputs; raise inputs"
        )
    shown, amounts = {"clean": images, "full": trigger(images)}, {"clean": 0.0, "full": 1.0}
    for level in cell.levels:
        amount = fade_to(level, images, shown["full"], lambda x: float((_labels(model, x) == goal).mean()))
        if amount is not None:
            amounts[f"{level:g}"] = amount
            shown[f"{level:g}"] = faded(images, shown["full"], amount)
    probe = Gaussian(sorted({*cell.strengths, sigma}), draws=cell.draws, seed=seed_of(cell, "draws"))
    # All in one run: an engine is made and checked once, and labels don't depend on the company.
    together = measure(model, np.concatenate(list(shown.values())), probe, progress=False)
    responses = {name: together.take(rows) for name, rows in _rows(shown).items()}
    judgements = _judge(cell, model, inputs, shown, responses, sigma)
    return {
        "target": cell.target,
        "class": int(goal),
        "sigma_half": sigma,
        "inputs": len(images),
        "strengths": list(probe.strengths),
        "engine": together.info["engine"],
        "conditions": {
            name: {
                "amount": amount,
                **profile(responses[name], goal),
                "judged": {d: j[name] for d, j in judgements.items()},
            }
            for name, amount in amounts.items()
        },
    }


def _judge(
    cell: PatternCell,
    model: Classifier,
    inputs: Inputs,
    shown: dict[str, NDArray[np.float32]],
    responses: dict[str, Responses],
    sigma: float,
) -> dict[str, dict[str, dict[str, float]]]:
    """The results of the detectors W and STRIP, calibrated on clean test images that are used only for calibration."""
    test = datasets(cell.data)[1]
    unused = np.flatnonzero(~np.isin(test.ids, [*inputs.pick.ids, *inputs.chosen.ids]))
    spare = test.take(rng(cell.seed, "study", "calibration").permutation(unused)[: cell.calibration])
    at_half = Gaussian([sigma], draws=cell.draws, seed=seed_of(cell, "draws"))
    overlays = Superimpose(to_float(inputs.pick.images)[:_OVERLAYS], seed=seed_of(cell, "overlays"))
    w = {name: -w_at(r, r.strengths.index(sigma)) for name, r in responses.items()}
    together = strip_scores(model, np.concatenate([*shown.values(), to_float(spare.images)]), overlays)
    strip = {name: together[rows] for name, rows in _rows(shown).items()}
    return {
        "w": judged(w, shown, spare, -w_at(measure(model, spare, at_half, progress=False), 0)),
        "strip": judged(strip, shown, spare, together[-len(spare) :]),
    }


def _rows(shown: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.int64]]:
    """For each condition, the row numbers of its images in the array that concatenates the images of all conditions."""
    ends = np.cumsum([len(x) for x in shown.values()])
    return {name: np.arange(end - len(x), end) for (name, x), end in zip(shown.items(), ends, strict=True)}


def _labels(model: Classifier, images: NDArray[np.float32]) -> NDArray[np.int64]:
    return np.asarray(model(images)).argmax(axis=1)


def _gaining(model: Classifier, images: NDArray[np.float32], trigger: Trigger) -> int:
    """Return the class whose number of predictions rises most when the pattern is added to `images`. The pattern was
    made on the same images."""
    counts = [np.bincount(_labels(model, x), minlength=model.num_classes) for x in (images, trigger(images))]
    return int((counts[1] - counts[0]).argmax())


_QUICK = {"recipe": "fashion-cnn-fast", "inputs": 60, "pick": 60, "draws": 25, "levels": [0.9]}

STUDY = Study(
    name="patterns",
    cell=PatternCell,
    run=run,
    check=check_inputs,
    grids={
        "quick": {
            **_QUICK,
            "seed": [0, 1, 2],
            "cells": [
                {"pattern": [OWN, "uap-targeted", "patch", "calm", "logo", "random-sign"]},
                {"attack": ["badnets", "blended"]},
            ],
        },
        "full": {
            "inputs": 60,
            "pick": 60,
            "draws": 25,
            "calibration": 100,
            "levels": [0.5, 0.9],
            "seed": list(range(10)),
            "cells": [
                {"pattern": [OWN, *PATTERNS]},
                {"attack": ["badnets", "blended", "sig"]},
                {"attack": ["lf", "trojannn", "adap-blend"], "seed": [0, 1, 2]},
            ],
        },
    },
)
