"""The models and test images of studies. Models come from a shared cache; each test image is used for one purpose only."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.attacks import CLEAN, Victim, VictimSpec, get_victim, victims_folder
from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.poisoning import PoisonPlan
from doldrum.seeds import child_seed, rng
from doldrum.studies.base import Cell, datasets
from doldrum.triggers import Patch

__all__ = ["Inputs", "check_inputs", "choose_inputs", "seed_of", "trigger_and_plan", "victim"]

_KEPT = 8  # victims held in memory: cells of one seed share their clean model
_victims: OrderedDict[str, Victim] = OrderedDict()


def victim(spec: VictimSpec) -> Victim:
    """Return the attacked or clean model that `spec` describes. Models are kept in the shared cache
    (`doldrum.attacks.victims_folder`).

    A model that is not in the cache is trained.
    """
    key = f"{victims_folder()}/{spec.key}"
    if key not in _victims:
        _victims[key] = get_victim(spec, datasets(spec.data)[0])
        if len(_victims) > _KEPT:
            _victims.popitem(last=False)
    return _victims[key]


def trigger_and_plan(cell: Cell, found: Victim) -> tuple[Any, PoisonPlan]:
    """The trigger and the plan of the attack on a cell's model.

    A clean model has no trigger, so the inputs of a clean model get the patch of BadNets, which the model never learnt.
    """
    if cell.attack == CLEAN:
        return Patch(size=3), cell.plan()
    assert found.trigger is not None
    assert found.plan is not None
    return found.trigger, found.plan


@dataclass(frozen=True)
class Inputs:
    """The test images of a cell, in three disjoint sets.

    `pick` is used to compute sigma-half, the noise strength at which W is measured. `chosen` holds the images that are
    measured without and with the trigger. `control` holds clean images of the attacker's target classes. `attacker`
    holds the label that the attacker wants for each image in `chosen`.
    """

    pick: ImageSet
    chosen: ImageSet
    control: ImageSet
    attacker: NDArray[np.int64]


def choose_inputs(cell: Cell, plan: PoisonPlan) -> Inputs:
    """Draw a cell's inputs at random with its seed. There are fewer inputs than requested if the test set has too few images.

    `chosen` has only images that the attack can be used on, according to its plan. Most attacks can be used on the
    images whose true label is not the target class. TaCT can be used on the images of the source class, and all-to-all
    on all images. Raises InputError if no image is left.
    """
    test = datasets(cell.data)[1]
    assert test.labels is not None
    order = rng(cell.seed, "study", "inputs").permutation(len(test))
    pick, rest = order[: cell.pick], order[cell.pick :]
    fit = plan.eligible(test.labels[rest])
    chosen = rest[fit][: cell.inputs]
    attacker = plan.attacker_labels(test.labels[chosen], num_classes=test.num_classes)
    spare = np.setdiff1d(rest, chosen, assume_unique=True)
    spare = rest[np.isin(rest, spare)]
    control = spare[np.isin(test.labels[spare], attacker)][: max(1, cell.inputs // 2)]
    if not len(chosen) or not len(control):
        raise InputError(
            f"expected at least one test image to attack and one test image of the attacker's class, after {cell.pick} images for sigma-half, got {len(chosen)} images to attack and {len(control)} of the attacker's class; lower pick or inputs"
        )
    return Inputs(test.take(pick), test.take(chosen), test.take(control), attacker)


def check_inputs(cell: Cell) -> None:
    """Raise the errors of `choose_inputs` and of the attack's plan before anything is trained."""
    choose_inputs(cell, cell.plan())


def seed_of(cell: Cell, purpose: str) -> int:
    """The seed of random draws for one purpose; it differs between purposes and between seeds of a cell."""
    return child_seed(cell.seed, "study", purpose) % 2**31
