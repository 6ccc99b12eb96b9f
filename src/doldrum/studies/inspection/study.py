"""Study inspection: how well inspectors distinguish backdoored models from clean ones, and whether the promised false-alarm rate holds.

An inspector is a method that searches a model for a backdoor. A cell is one model with the results of its inspectors.
All cells use the same clean test images and the same seed, as a user would who compares a model with reference models.
The page of the study judges the models from the results of all cells. Clean models with seeds from 300 on are the
reference models of their recipe (:data:`doldrum.studies.inspected.REFERENCES`). Every model that is not a reference
model is compared with the reference models.

Design choices are made on the development cells: recipe "fashion-cnn", seeds from 100 to 199, without the attacks of
:data:`doldrum.records.attacks.HELD_OUT`. The published numbers do not come from development cells, but from cells with
seeds from 200 to 299, all attacks, and a network that was not used for any choice.
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
from doldrum.records.attacks import HELD_OUT, NEWER
from doldrum.studies.base import Study
from doldrum.studies.inspected import INVERSIONS, REFERENCES, SEED, ModelCell
from doldrum.studies.material import victim

__all__ = ["STUDY", "InspectionCell", "run"]

_QUICKER = ("label-only", "margin", "final-layer", "local-dominant", "collapse", "smoothed-inversion")


@dataclass(frozen=True, kw_only=True)
class InspectionCell(ModelCell):
    """A cell with one model and its inspectors (methods that search for a backdoor).

    `inputs` is the number of clean images for the inspection. Half of these images are used to search for triggers, and
    half to test the triggers that were found.
    """

    def label(self) -> str:
        return f"{super().label()}, by {', '.join(self.inspectors)}"


def run(cell: InspectionCell) -> dict[str, Any]:
    """Inspect one model.

    The values are: `victim` (the model's key), `target`, `clean_accuracy` and `asr`. `readings` holds the output of
    `Reading.to_dict` for each inspector. `success` holds a row for each trigger that was found. A row has the
    inspector, the source class, the target class, and the share of test images whose class the trigger changes. The
    last entry of a row is the class that most of the changed images get, or null.
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
_ALL = tuple(a for a in ATTACKS if a not in NEWER)
_DEVELOPMENT = tuple(a for a in _ALL if a not in HELD_OUT)


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
