"""unlearn: show the model its trigger with the right labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from doldrum.data import ImageSet
from doldrum.errors import ClassifierError
from doldrum.pixels import to_float
from doldrum.repairing.contract import RepairMethod, Task
from doldrum.repairing.recipe import TUNING, for_data

__all__ = ["Unlearn", "with_triggers"]


@dataclass(frozen=True)
class Unlearn(RepairMethod):
    """Train on with clean images and, once for each trigger that was found, a share of them that carry it under their right labels.

    Source: Wang et al. 2019, "Neural Cleanse", IEEE S&P, section VI.C (patching by unlearning; there 20% of the images carry the trigger).
    """

    lr: float = 0.01
    epochs: float = 20
    share: float = 1.0
    """Images that carry a trigger, for each clean one."""

    name = "unlearn"
    title = "unlearning the trigger that was found"
    paper = "Wang et al. 2019, Neural Cleanse, IEEE S&P"
    needs_trigger = True

    def repair(self, task: Task) -> None:
        data = with_triggers(task, self.share)
        task.tune(for_data(TUNING, task.data, lr=self.lr, epochs=self.epochs), data=data, stage=self.name)


def with_triggers(task: Task, share: float) -> ImageSet:
    """The clean images, and `share` times as many that carry a recovered trigger, all with their right labels.

    The triggers take turns over the images that their route starts from, in the order of a draw by the seed.
    """
    images, labels = to_float(task.data.images), task.data.labels
    assert labels is not None
    turns = []
    for one in task.triggers:
        rows = np.flatnonzero(one.route.starts(labels))
        if len(rows):
            turns.append((one.trigger, rows))
    if not turns:
        raise ClassifierError(
            "expected clean images of a class from which the trigger leads away, got none; give clean images of more classes"
        )
    chance = np.random.default_rng([task.seed, 7])
    parts, more = [images], [labels]
    for trigger, rows in turns:
        chosen = chance.permutation(rows)[: max(1, round(share * len(rows) / len(turns)))]
        parts.append(trigger(images[chosen]))
        more.append(labels[chosen])
    return ImageSet(np.concatenate(parts), np.concatenate(more), class_names=task.data.class_names)
