"""Study success: is the model smoother around triggered inputs if the attack succeeds more often?

The success rate is varied through the poison rate, the trigger's strength and size, the training length and the network. Each
model is compared with the clean model of the same seed, as in `study smoothing`, at sigma-half. Cells with `follow` measure
one model several times during its training, to see whether the model becomes smooth before or after the attack succeeds.
Source of the claim: Grosse et al., Computers & Security 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from doldrum.attacks import CLEAN
from doldrum.errors import InputError
from doldrum.studies.base import Cell, Study
from doldrum.studies.cell_checks import adds_samples
from doldrum.studies.compare import compare
from doldrum.studies.material import check_inputs

__all__ = ["STUDY", "SuccessCell", "run"]

STEPS = (0, 5, 10, 20, 40, 80, 160, 320, 640)
"""Training steps, about evenly spaced on a log scale, because models learn backdoors early."""


@dataclass(frozen=True, kw_only=True)
class SuccessCell(Cell):
    """A cell of the study. If `follow` lists training steps, the model is measured at these steps, not only after its training."""

    follow: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = self.follow
        if not isinstance(steps, list | tuple) or any(
            isinstance(s, bool) or not isinstance(s, int) or s < 0 for s in steps
        ):
            raise InputError(f"expected follow to be a list of training steps from 0, got {steps!r}; e.g. [0, 10, 100]")
        object.__setattr__(self, "follow", tuple(sorted(set(steps))))
        if self.follow:
            if self.attack == CLEAN:
                raise InputError("expected the name of an attack, because follow is given, got 'clean'; name an attack")
            adds_samples(self.attack)

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "follow": list(self.follow)}

    def label(self) -> str:
        return super().label() + (", followed" if self.follow else "")


def run(cell: SuccessCell) -> dict[str, Any]:
    """Measure one cell. For a cell without `follow`, the values are the results of the function `compare`, at
    sigma-half only. For a cell with `follow`, the values are `sigma_half`, `target` and `timeline`."""
    if not cell.follow:
        return compare(cell, ())
    from doldrum.studies.success.timeline import follow

    return follow(cell, cell.follow)


_RATES = [0, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]
_ONE_EPOCH = {"epochs": 1}
_LOOKS = [10, 30, 60, 100, 150, 230]

STUDY = Study(
    name="success",
    cell=SuccessCell,
    run=run,
    check=check_inputs,
    grids={
        "quick": {
            "recipe": "fashion-cnn-fast", "inputs": 100, "pick": 100, "draws": 50, "strengths": [0.02, 0.1, 0.22, 0.6, 2.5],
            "cells": [
                {"attack": ["badnets", "blended"], "rate": [0.001, 0.003, 0.01, 0.1], "seed": [0]},
                {"attack": "badnets", "rate": 0.05, "seed": [0], "follow": list(STEPS[:7])},
            ],
        },
        # Models of one epoch: long enough to learn a backdoor at a high rate, and short enough to fail at a low one.
        "full": {
            "changes": _ONE_EPOCH, "inputs": 100, "pick": 100, "draws": 50,
            "strengths": [0.06, 0.1, 0.2, 0.4, 0.9, 2.5, 6, 20],  # an MLP of one epoch calms down beyond 6 only
            "cells": [
                {"attack": ["badnets", "blended"], "rate": _RATES, "seed": [0, 1]},
                {"attack": ["wanet", "tact"], "rate": [0.01, 0.03, 0.1], "seed": [0, 1]},
                {"attack": "badnets", "settings": [{"size": 1}, {"size": 2}, {"size": 5}], "rate": 0.01, "seed": [0, 1]},
                {"attack": "blended", "settings": [{"alpha": 0.05}, {"alpha": 0.1}, {"alpha": 0.3}], "rate": 0.01, "seed": [0, 1]},
                {"attack": ["badnets", "blended"], "changes": [{"epochs": 0.5}, {"epochs": 2}], "rate": 0.01, "seed": 0},
                {"attack": ["badnets", "blended"], "changes": {**_ONE_EPOCH, "network": "mlp"}, "rate": [0.005, 0.05], "seed": 0},
                {"attack": ["badnets", "blended"], "seed": 0, "follow": _LOOKS},
                {"attack": ["badnets", "tact"], "seed": [1, 2, 3], "follow": _LOOKS},
            ],
        },
    },
)  # fmt: skip
