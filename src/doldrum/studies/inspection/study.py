"""study inspection: how well the inspectors tell backdoored models from clean ones, and whether the promise over models is kept.

A cell is one model, and what some inspectors read in it. All cells look at the same clean test images with the same seed, as a user does who compares a
model with references. What the readings mean is worked out by the page, from all cells: clean models of seeds from 300 on are the references of
their recipe (:data:`doldrum.studies.inspected.REFERENCES`), and every other model is compared with them.

Choices are made on the development cells: recipe "fashion-cnn", seeds from 100 to 199, without the attacks of :data:`doldrum.records.attacks.HELD_OUT`. The figures are those of the
other cells: seeds from 200 to 299, all attacks, and a network that no choice has seen.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from doldrum.attacks import ATTACKS, CLEAN
from doldrum.inspectors.contract.subject import halves
from doldrum.inspectors.examine import examine
from doldrum.inspectors.inspect import success_of
from doldrum.poisoning import evaluate
from doldrum.records.attacks import HELD_OUT
from doldrum.studies.base import Study
from doldrum.studies.inspected import INVERSIONS, REFERENCES, SEED, ModelCell
from doldrum.studies.material import victim

__all__ = ["STUDY", "InspectionCell", "run"]

_QUICKER = ("label-only", "margin", "final-layer", "local-dominant", "collapse", "smoothed-inversion")


@dataclass(frozen=True, kw_only=True)
class InspectionCell(ModelCell):
    """A model, and who reads it. `inputs` is the number of clean images: half to search on, half to test what is found."""

    def label(self) -> str:
        return f"{super().label()}, by {', '.join(self.inspectors)}"


def run(cell: InspectionCell) -> dict[str, Any]:
    """Read one model.

    Values: `victim` (its key), `target`, `clean_accuracy`, `asr`; `readings`, one an inspector, as `Reading.to_dict` gives them; `success`, rows of inspector,
    source, target, the share of test images that the trigger found there moves, and the class that most of these are given, or null.
    """
    found = victim(cell.victim)
    clean, others = cell.images()
    began = time.process_time()
    examined = examine(found.model, clean, inspectors=cell.inspectors, seed=SEED, progress=False)
    cost = time.process_time() - began
    held = halves(clean, SEED).test
    success: list[list[Any]] = []
    for reading in examined.readings:
        for route, trigger in reading.triggers.items():
            told = success_of(found.model, trigger, route, held)
            if told is not None:
                success.append([reading.inspector, route.source, route.target, round(told[0].value, 4), told[1]])
    known = evaluate(found.model, others, found.trigger, found.plan)
    return {
        "victim": cell.victim.key,
        "target": cell.target,
        "clean_accuracy": round(known.clean_accuracy.value, 5),
        "asr": None if known.asr is None else round(known.asr.value, 5),
        "readings": [one.to_dict() for one in examined.readings],
        "success": success,
        "cpu_seconds": round(cost, 2),
    }


_TWO = {"epochs": 2}  # half a minute of a core
_MLP = {"network": "mlp", "epochs": 4}
_ALL = (*ATTACKS,)
_DEVELOPMENT = tuple(a for a in ATTACKS if a not in HELD_OUT)


def _seeds(first: int, count: int) -> list[int]:
    return list(range(first, first + count))


STUDY = Study(
    name="inspection",
    cell=InspectionCell,
    run=run,
    grids={
        "quick": {
            "recipe": "fashion-cnn-fast", "inputs": 400, "inspectors": ["mask"],
            "cells": [
                {"attack": CLEAN, "seed": _seeds(REFERENCES, 19)},
                {"attack": [CLEAN, "badnets", "blended"], "seed": _seeds(200, 2)},
            ],
        },
        "full": {
            "inspectors": [list(INVERSIONS), list(_QUICKER)],
            "cells": [
                {"changes": _MLP, "attack": CLEAN, "seed": _seeds(REFERENCES, 39)},
                {"changes": _MLP, "attack": CLEAN, "seed": _seeds(200, 20)},
                {"changes": _MLP, "attack": list(_ALL), "seed": _seeds(200, 5)},
                # Wrong labels, and no trigger: what is found there is no backdoor.
                {"changes": [_MLP, _TWO], "attack": "blended", "settings": {"alpha": 0.0}, "seed": _seeds(200, 4)},
                {"changes": _TWO, "attack": CLEAN, "seed": _seeds(REFERENCES, 19)},
                {"changes": _TWO, "attack": CLEAN, "seed": _seeds(200, 20)},
                {"changes": _TWO, "attack": list(_ALL), "seed": _seeds(200, 2)},
                {"changes": _TWO, "attack": list(_DEVELOPMENT), "seed": _seeds(100, 1)},
                {"changes": _TWO, "attack": CLEAN, "seed": _seeds(100, 10)},
            ],
        },
    },
)  # fmt: skip
