"""Study detection: how well every detector finds triggered inputs, and whether it keeps the promised rate of false alarms.

A cell is one attacked model (a victim). For each victim, the test images are split into four disjoint sets. One set is
for fitting (STRIP's overlays are taken from this set), one is for calibration, one is tested unchanged, and one gets
the trigger. Every detector gets the same inputs.

- *Realised FPR*: the share of clean test inputs with a conformal p-value of at most the promised rate.
- *TPR*: the share of triggered inputs whose conformal p-value is at most the promised rate. There are two TPRs: over
  the triggered inputs that get the attacker's label (hits), and over all triggered inputs. No threshold is chosen on
  the test inputs.
- *Budgets*: "paper" means as many forward passes as in the detector's paper. "equal" means at most 64 forward passes.

Cells with `stress` also measure the effect of bad calibration sets; see `doldrum.studies.detection.stress`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.attacks import CLEAN, Victim, VictimSpec
from doldrum.data import ImageSet
from doldrum.engines import choose_engine, default_rows
from doldrum.errors import InputError
from doldrum.measuring import measure
from doldrum.pixels import to_float
from doldrum.poisoning import PoisonPlan, evaluate
from doldrum.probes import Corruptions, Gaussian
from doldrum.records.attacks import ADAPTIVE, HELD_OUT
from doldrum.seeds import rng
from doldrum.stats.conformal import tie_breakers
from doldrum.studies.base import Cell, Study, datasets, num_test_images
from doldrum.studies.cell_checks import at_most, check_whole
from doldrum.studies.detection.bench import ALL, chosen, make_bench
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
    """A cell of the study: one attacked model (a victim), and how many test images are used for each purpose.

    Parameters
    ----------
    fit, calibration, test
        The numbers of clean test images to fit, calibrate and test the detectors. The field `inputs` is the number of
        test images that get the trigger.
    stress
        Whether to measure also the effects of the calibration set's size, imbalance, shift and contamination. With
        `stress`, the field `calibration` should be 2,000.
    detectors
        The names of the detectors to run, separated by spaces, such as "profile strip". Each of them runs with at most
        64 forward passes per input. The default "all" runs every detector, also with the forward passes of its paper.
        Choose some detectors if the network is large.

    This study does not use the fields `pick`, `draws`, `strengths` and `sigma`, because each detector has its own
    settings.
    """

    fit: int = 400
    calibration: int = 400
    test: int = 200
    inputs: int = 100
    stress: bool = False
    detectors: str = ALL

    def __post_init__(self) -> None:
        check_whole(self, ("fit", 100, None), ("calibration", 99, None), ("test", 20, None), ("inputs", 20, None))
        if not isinstance(self.stress, bool):
            raise InputError(f"expected stress to be true or false, got {self.stress!r}; change it")
        if not isinstance(self.detectors, str):
            raise InputError(
                f'expected names of detectors, separated by spaces, got {self.detectors!r}; write "profile strip"'
            )
        chosen(self.detectors)
        super().__post_init__()
        asked = self.fit + self.calibration + self.test + self.inputs
        at_most(num_test_images(self.data), self.data, asked, what="the sum of fit, calibration, test and inputs")

    @property
    def victim(self) -> VictimSpec:
        return self.clean() if self.attack == CLEAN else super().victim

    def to_dict(self) -> dict[str, Any]:
        found = super().to_dict()
        if self.detectors == ALL:
            del found["detectors"]  # so the keys of records from before this field existed stay the same
        return found

    def label(self) -> str:
        extra = ["stress"] if self.stress else []
        extra += [self.detectors] if self.detectors != ALL else []
        return ", ".join([super().label(), *extra])


@dataclass(frozen=True)
class Split:
    """The test images of a cell, divided into disjoint sets.

    `fit`, `calibration` and `test` are clean images. `triggered` and `planted` are images to which the trigger will be
    added. The images in `planted` are put into the calibration set, to simulate an attacker. `attacker` holds the label
    that the attacker wants for each image in `triggered`.
    """

    fit: ImageSet
    calibration: ImageSet
    test: ImageSet
    triggered: ImageSet
    planted: ImageSet | None
    attacker: NDArray[np.int64]


def split(cell: DetectionCell, plan: PoisonPlan) -> Split:
    """Split the test images of a cell at random, differently for each attacked model.

    Only images that the plan of the attack calls eligible get the trigger. An image in a set of clean images need not
    be eligible for the trigger. Raises InputError if the test set has too few images.
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
            f"expected {ends[-1]} clean test images and {cell.inputs + planted} test images that can be attacked, got {len(test)} test images in all, with {len(eligible)} that can be attacked; lower fit, calibration, test or inputs"
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
    """Run every detector on one attacked model.

    Values: `target`, `clean_accuracy`, `asr`. `asr_noise` and `asr_jpeg` are the success rates on the triggered inputs
    with noise of strength .1, and with JPEG at severity 3. `sizes` holds the sizes of the parts, and `hits` the number
    of triggered inputs that get the attacker's label. `levels` holds the promised false-positive rates. `refused` lists
    the detectors that do not work with this model, and the reason for each detector. `detectors` holds a mapping for
    each detector and budget; see `doldrum.studies.detection.judge.judge` and, with `stress`,
    `doldrum.studies.detection.stress.stress`.
    """
    found = victim(cell.victim)
    trigger, plan = trigger_and_plan(cell, found)
    parts = split(cell, plan)
    seed = seed_of(cell, f"detectors {cell.victim.key}")
    bench = make_bench(found.model, parts.fit, seed, cell.detectors)
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
    # All test images: on a large network, the fastest engine takes a fraction of the time of the module itself.
    engine, _ = choose_engine(
        found.model, "auto", rows=default_rows(found.model.input_shape), sample=images["test"][:64]
    )
    success = evaluate(engine, datasets(cell.data)[1], None if clean_only else trigger, None if clean_only else plan)
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
    """The success rate of the attack on triggered images that were changed by noise or JPEG compression, which can also happen to photographs."""
    probes = {
        "asr_noise": Gaussian([0.1], draws=3, seed=seed),
        "asr_jpeg": Corruptions(["jpeg-compression"], severities=[3], seed=seed),
    }
    draws = {name: measure(found.model, triggered, probe, progress=False).draws for name, probe in probes.items()}
    return {name: round(float((d == wanted[:, None, None]).mean()), 5) for name, d in draws.items()}


STUDY = Study(
    name="detection",
    version=8,  # SmoothnessProfile adds the distance of the classes; records of version 7 are not continued
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
