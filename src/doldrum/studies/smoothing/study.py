"""Study smoothing: is the model smoother around inputs with the trigger?

W(x) and W(T(x)), without and with the trigger T, are measured with the same noise draws. Both models are measured, a
backdoored model and the clean model of the same seed, at the clean model's sigma-half and at other noise strengths. The
effect of the trigger is computed for each backdoored model, as a difference in differences:

    D = mean_x [W_b(x) - W_b(T(x))] - mean_x [W_c(x) - W_c(T(x))].

D is positive if the trigger makes the backdoored model (b) smoother than it makes the clean model (c). The unit of
replication is the model: the interval and the test are over models. Source of the claim: Grosse et al., Computers &
Security 2022.
"""

from __future__ import annotations

from typing import Any

from doldrum.studies.base import Cell, Study
from doldrum.studies.compare import HEADLINE, compare
from doldrum.studies.material import check_inputs

__all__ = ["STUDY", "run"]

_OTHERS = (
    "label-consistent", "trojannn", "issba", "input-aware", "bpp", "lf", "ftrojan", "adap-blend", "adap-patch", "lsba",
    "noise-hardened", "anti-smoothing",
)  # fmt: skip


def run(cell: Cell) -> dict[str, Any]:
    """Measure one backdoored model and the clean model of the same seed, at sigma-half and at the cell's strengths."""
    return compare(cell, cell.strengths)


def _grid(seeds: int, others: int, **shared: Any) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [{"attack": list(HEADLINE), "seed": list(range(seeds))}]
    if others:
        cells += [{"attack": list(_OTHERS), "seed": list(range(others))}]
    # Two clean models, compared as if one were a victim: pairs that share none.
    return {**shared, "cells": [*cells, {"attack": "clean", "seed": list(range(0, seeds, 2))}]}


STUDY = Study(
    name="smoothing",
    cell=Cell,
    run=run,
    check=check_inputs,
    grids={
        "quick": {
            "recipe": "fashion-cnn-fast", "inputs": 100, "pick": 100, "draws": 50, "strengths": [0.02, 0.1, 0.22, 0.6, 2.5],
            "cells": [
                {"attack": ["badnets", "blended", "wanet"], "seed": [0, 1, 2]}, {"attack": "clean", "seed": [0]},
            ],
        },
        # Study sigma finds the same answers from 20 draws and from 50.
        "full": _grid(10, 3, inputs=200, pick=200, draws=50, strengths=[0.06, 0.1, 0.2, 0.4, 0.9, 2.5]),
    },
)  # fmt: skip
