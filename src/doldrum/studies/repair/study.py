"""Study repair: how each method changes the success rate of the *true* trigger, and the accuracy.

A cell is one model, which is repaired by several methods with the same clean test images. First the model is inspected
with the clean images and compared with clean reference models, as a user would do. The inspection recovers a trigger
for each pair of a source class and a target class. The method `unlearn` gets the recovered trigger that stands out
most, even if this is not the attacker's trigger. Accuracy and success are measured on other test images.

Design choices are made on seeds below 200, without the attacks of :data:`doldrum.records.attacks.HELD_OUT`. The published numbers come from seeds from 200 on.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from doldrum.attacks import ATTACKS, CLEAN
from doldrum.errors import InputError
from doldrum.inspectors import Inspection
from doldrum.poisoning import Evaluation, evaluate
from doldrum.records.attacks import NEWER
from doldrum.repairing import METHODS, repair
from doldrum.studies.base import Study
from doldrum.studies.cell_checks import check_whole
from doldrum.studies.inspected import SEED, ModelCell
from doldrum.studies.material import victim
from doldrum.studies.repair.seen import seen

__all__ = ["STUDY", "RepairCell", "effectiveness", "run"]


@dataclass(frozen=True, kw_only=True)
class RepairCell(ModelCell):
    """A cell with one model and the methods that repair it.

    `inputs` is the number of clean images for the inspection and the repair. `references` is the number of clean
    reference models. The models are the same as in the study `inspection`.
    """

    fewest = 40

    methods: tuple[str, ...] = tuple(METHODS)
    references: int = 19

    def __post_init__(self) -> None:
        check_whole(self, ("references", 0, None))
        if isinstance(self.methods, str) or not self.methods or not set(self.methods) <= set(METHODS):
            raise InputError(f"expected a list of methods among {', '.join(METHODS)}, got {self.methods!r}; pick some")
        object.__setattr__(self, "methods", tuple(self.methods))
        super().__post_init__()

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "methods": list(self.methods)}

    def label(self) -> str:
        return f"{super().label()}, {self.inputs} images"


def run(cell: RepairCell) -> dict[str, Any]:
    """Repair one model by every method.

    Values: `victim` (the model's key), `target`, and `clean_accuracy` and `asr` before the repair. `inspection` holds
    the verdict, inspector, source and target of the inspection, and `inspect_seconds` its time. `found` says whether
    the recovered trigger changes images to the attacker's class. For the attack all-to-all, `found` is true if the
    recovered trigger does not change all images to a single class. For a clean model, `found` is null. `methods` holds
    a mapping for each method. For a method that could not run, the keys are: method, refused. For all other methods,
    the keys are: method, clean_accuracy, asr, der, success (of the recovered trigger, before and after the repair),
    verdict, cpu_seconds.
    """
    model = victim(cell.victim)
    clean, others = cell.images()
    began = time.process_time()
    inspection = seen(model.model, clean, cell, references=cell.references)
    recovered = None if inspection.trigger is None else inspection
    looked = time.process_time() - began
    before = evaluate(model.model, others, model.trigger, model.plan)
    rows: list[dict[str, Any]] = []
    for name in cell.methods:
        if METHODS[name].needs_trigger and recovered is None:
            rows.append({"method": name, "refused": "no trigger was found"})
            continue
        began = time.process_time()
        found = repair(
            model.model, clean, inspection=recovered, method=name, seed=SEED, inspect_again=False, progress=False
        )
        cost = time.process_time() - began
        after = evaluate(found.classifier, others, model.trigger, model.plan)
        rows.append({
            "method": name, "clean_accuracy": round(after.clean_accuracy.value, 5), "asr": _asr(after), "der": effectiveness(before, after),
            "success": None if found.success is None else [round(one.value, 4) for one in found.success],
            "verdict": found.verdict, "cpu_seconds": round(cost, 2),
        })  # fmt: skip
    told = inspection.to_dict()
    return {
        "victim": cell.victim.key,
        "target": cell.target,
        "clean_accuracy": round(before.clean_accuracy.value, 5),
        "asr": _asr(before),
        "inspection": {name: told[name] for name in ("verdict", "inspector", "source", "target")},
        "found": None if cell.attack == CLEAN else _right(inspection, cell),
        "inspect_seconds": round(looked, 2),
        "methods": rows,
    }


def effectiveness(before: Evaluation, after: Evaluation) -> float | None:
    """The defence effectiveness rating (DER) of a repair, in [0, 1], where 1/2 means no change; None without a trigger.

    DER = (max(0, fall of ASR) - max(0, fall of accuracy) + 1) / 2, where a fall is the value before the repair minus
    the value after the repair.

    Source: Wu et al. 2022, "BackdoorBench", arXiv 2206.12654.
    """
    if before.asr is None or after.asr is None:
        return None
    gained = max(0.0, before.asr.value - after.asr.value)
    lost = max(0.0, before.clean_accuracy.value - after.clean_accuracy.value)
    return round((gained - lost + 1) / 2, 5)


def _right(found: Inspection, cell: RepairCell) -> bool:
    """Whether the inspection found the attacker's target class. For the attack all-to-all, the right result is a
    trigger without a single target class."""
    if cell.attack == "all-to-all":
        return found.route is not None and found.route.target is None
    return found.target == cell.target


def _asr(found: Evaluation) -> float | None:
    return None if found.asr is None else round(found.asr.value, 5)


_THREE = ["fine-tune", "fine-prune", "unlearn"]
_TWO = {"epochs": 2}  # half a minute of a core
_ATTACKS = [a for a in ATTACKS if a not in NEWER]


def _seeds(first: int, count: int) -> list[int]:
    return list(range(first, first + count))


STUDY = Study(
    name="repair",
    cell=RepairCell,
    run=run,
    grids={
        "quick": {
            "recipe": "fashion-cnn-fast", "inputs": 250, "references": 0, "inspectors": ["mask"],
            "methods": _THREE,
            "cells": [{"attack": [CLEAN, "badnets", "blended"], "seed": _seeds(200, 2)}],
        },
        "full": {
            "changes": _TWO,
            "cells": [
                {"attack": [CLEAN, *_ATTACKS], "seed": _seeds(200, 1)},
                {"attack": CLEAN, "seed": _seeds(201, 5), "methods": _THREE},
            ],
        },
    },
)  # fmt: skip
