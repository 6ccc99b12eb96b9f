"""study detection: how well every detector finds triggered inputs, and whether it keeps its promise about false alarms.

A cell is one victim. Test images are split for each by itself: some to fit (STRIP's overlays are taken from them), some to
calibrate, some to test as they come, and some that get the trigger; none has two uses. Every detector sees the same inputs.

- *Realised FPR*: share of clean test inputs with a conformal p-value of at most the level.
- *TPR*: the same of triggered inputs, of those that get the attacker's label (hits) and of all. No threshold is read off the
  test inputs.
- *Budgets*: "paper", each detector as its paper has it; "equal", the same with those above 64 forwards cut to that.

Cells with `stress` also measure what calibration goes wrong by; see `doldrum.studies.detection.stress`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.attacks import CLEAN, Victim, VictimSpec
from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.measuring import measure
from doldrum.pixels import to_float
from doldrum.poisoning import PoisonPlan, evaluate
from doldrum.probes import Corruptions, Gaussian
from doldrum.records.attacks import ADAPTIVE, HELD_OUT
from doldrum.seeds import rng
from doldrum.stats.conformal import tie_breakers
from doldrum.studies.base import Cell, Study, datasets
from doldrum.studies.cell_checks import at_most, check_whole
from doldrum.studies.detection.bench import make_bench
from doldrum.studies.detection.judge import LEVELS, judge
from doldrum.studies.detection.stress import SHIFTS, stress
from doldrum.studies.imbalance import training_imbalance
from doldrum.studies.material import seed_of, trigger_and_plan, victim

__all__ = ["STUDY", "DetectionCell", "Split", "run", "split"]

_DEVELOPMENT = (
    "badnets", "all-to-all", "blended", "sig", "wanet", "tact", "trojannn", "lf", "ftrojan", "adap-patch", "label-consistent",
)  # fmt: skip
_SHIFTED, _PLANTED = 200, 50  # inputs of a cell with `stress`


@dataclass(frozen=True, kw_only=True)
class DetectionCell(Cell):
    """A cell of the study: one victim, and how many test images serve each purpose.

    Parameters
    ----------
    fit, calibration, test
        Clean test images; `inputs` is how many get the trigger.
    stress
        Measure calibration sizes, imbalance, shift and contamination too, for which `calibration` should be 2,000.

    `pick`, `draws`, `strengths` and `sigma` are not used: each detector has its own.
    """

    fit: int = 400
    calibration: int = 400
    test: int = 200
    inputs: int = 100
    stress: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, ("fit", 100, None), ("calibration", 99, None), ("test", 20, None), ("inputs", 20, None))
        if not isinstance(self.stress, bool):
            raise InputError(f"expected stress to be true or false, got {self.stress!r}; change it")
        asked = self.fit + self.calibration + self.test + self.inputs
        at_most(datasets(self.data)[1], self.data, asked, what="fit, calibration, test and inputs together")

    @property
    def victim(self) -> VictimSpec:
        return self.clean() if self.attack == CLEAN else super().victim

    def label(self) -> str:
        return super().label() + (", stress" if self.stress else "")


@dataclass(frozen=True)
class Split:
    """Test images of a cell, none in two of them: clean ones to `fit`, for `calibration` and to `test`, and images that get
    the trigger: `triggered`, and `planted` ones for a calibration set that an attacker reached.

    `attacker` is the label that the attacker wants for each of `triggered`.
    """

    fit: ImageSet
    calibration: ImageSet
    test: ImageSet
    triggered: ImageSet
    planted: ImageSet | None
    attacker: NDArray[np.int64]


def split(cell: DetectionCell, plan: PoisonPlan) -> Split:
    """A cell's split of the test images, redrawn for each victim.

    Images that get the trigger are eligible in the sense of the plan; the others are taken as they come. Raises InputError
    where the test set has too few.
    """
    test = datasets(cell.data)[1]
    assert test.labels is not None
    order = rng(seed_of(cell, f"detection {cell.victim.key}")).permutation(len(test))
    ends = np.cumsum([cell.fit, cell.calibration, cell.test])
    fit, calibration, clean, rest = np.split(order, ends)
    eligible = rest[plan.eligible(test.labels[rest])]
    planted = _PLANTED if cell.stress else 0
    if len(clean) < cell.test or len(eligible) < cell.inputs + planted:
        raise InputError(
            f"expected {ends[-1]} clean test images and {cell.inputs + planted} images to attack, got {len(test)} test images, of which {len(eligible)} can be attacked; lower fit, calibration, test or inputs"
        )
    attacked = eligible[: cell.inputs]
    wanted = plan.attacker_labels(test.labels[attacked], num_classes=test.num_classes)
    spare = eligible[cell.inputs : cell.inputs + planted]
    return Split(
        *(test.take(part) for part in (fit, calibration, clean, attacked)),
        planted=test.take(spare) if planted else None,
        attacker=wanted,
    )


def run(cell: DetectionCell) -> dict[str, Any]:
    """Measure one victim with every detector.

    Values: `target`, `clean_accuracy`, `asr`; `asr_noise` and `asr_jpeg`, over the triggered inputs, under noise of .1 and JPEG at
    severity 3; `sizes` of the parts and `hits` among the triggered; `levels`; `refused`, the detectors that this victim can't
    serve, with the reason; and `detectors`, one mapping for each detector and budget: see `doldrum.studies.detection.judge.judge`
    and, with `stress`, `doldrum.studies.detection.stress.stress`.
    """
    found = victim(cell.victim)
    trigger, plan = trigger_and_plan(cell, found)
    parts = split(cell, plan)
    seed = seed_of(cell, f"detectors {cell.victim.key}")
    bench = make_bench(found.model, parts.fit, seed)
    images = {
        "calibration": to_float(parts.calibration.images),
        "test": to_float(parts.test.images),
        "triggered": to_float(trigger(parts.triggered.images)),
    }
    if parts.planted is not None:
        images["planted"] = to_float(trigger(parts.planted.images))
        for name, change in SHIFTS.items():
            images[name] = change(images["calibration"][:_SHIFTED])
    scored = bench.score(images)
    ties = {name: tie_breakers(x, seed) for name, x in images.items()}
    hit = scored.labels["triggered"] == parts.attacker
    _, ratio = training_imbalance(cell.data)
    order = range(datasets(cell.data)[1].num_classes) if ratio > 1 else None  # the most frequent in training first
    detectors = []
    for variant in scored.variants:
        values = {**judge(variant.scores, ties, hit), **variant.costs}
        if cell.stress:
            values["stress"] = stress(variant.scores, ties, scored.labels, seed=seed, order=order)
        detectors.append(values)
    clean_only = cell.attack == CLEAN
    success = evaluate(
        found.model, datasets(cell.data)[1], None if clean_only else trigger, None if clean_only else plan
    )
    return {
        "target": cell.target,
        "clean_accuracy": success.clean_accuracy.value,
        "asr": None if success.asr is None else success.asr.value,
        **({} if clean_only else _under(found, images["triggered"], parts.attacker, seed)),
        "sizes": {name: len(x) for name, x in images.items()} | {"fit": len(parts.fit)},
        "hits": int(hit.sum()),
        "levels": list(LEVELS),
        "engines": scored.engines,
        "refused": bench.refused,
        "detectors": detectors,
    }


def _under(found: Victim, triggered: NDArray[np.float32], wanted: NDArray[np.int64], seed: int) -> dict[str, float]:
    """Whether the attack outlives what a photograph goes through."""
    probes = {
        "asr_noise": Gaussian([0.1], draws=3, seed=seed),
        "asr_jpeg": Corruptions(["jpeg-compression"], severities=[3], seed=seed),
    }
    draws = {name: measure(found.model, triggered, probe, progress=False).draws for name, probe in probes.items()}
    return {name: round(float((d == wanted[:, None, None]).mean()), 5) for name, d in draws.items()}


STUDY = Study(
    name="detection",
    version=4,  # SmoothnessProfile shrinks rates towards how often inputs stay; records of version 3 are not continued
    cell=DetectionCell,
    run=run,
    check=lambda cell: split(cell, cell.plan()),
    grids={
        "quick": {
            "recipe": "fashion-cnn-fast", "fit": 200, "calibration": 200, "test": 100, "inputs": 50, "seed": [0],
            "cells": [{"attack": ["badnets", "all-to-all", "wanet", CLEAN]}],
        },
        # Seeds 0 to 2 of the development attacks are what SmoothnessProfile was designed on.
        "full": {
            "fit": 1000, "calibration": 1000, "test": 300, "inputs": 150,
            "cells": [
                {"attack": [*_DEVELOPMENT, *HELD_OUT, *ADAPTIVE, CLEAN], "seed": [3, 4, 5]},
                {"attack": ["badnets", "all-to-all", CLEAN], "calibration": 2000, "stress": True, "seed": [3]},
                {"attack": ["badnets", CLEAN], "data": ["fashion-mnist 1:10", "fashion-mnist 1:100"], "calibration": 2000,
                 "stress": True, "seed": [3]},
                {"attack": [*_DEVELOPMENT, *HELD_OUT, *ADAPTIVE], "rate": 0.01, "seed": [3, 4, 5]},
            ],
        },
    },
)  # fmt: skip
