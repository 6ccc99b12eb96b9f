"""unlearn: show the model its trigger with the right labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from doldrum.data import ImageSet
from doldrum.errors import ClassifierError
from doldrum.pixels import to_float
from doldrum.repairing.contract import RepairMethod, Task
from doldrum.repairing.recipe import TUNING, for_data
from doldrum.seeds import rng

__all__ = ["Unlearn", "with_trigger"]


@dataclass(frozen=True)
class Unlearn(RepairMethod):
    """Train on with clean images, and with a share of them that carry the trigger that was found under their right labels.

    Source: Wang et al. 2019, "Neural Cleanse", IEEE S&P, section VI.C (patching by unlearning, where 20% of the images carry the trigger).
    """

    lr: float = 0.01
    epochs: float = 20
    share: float = 0.2
    """Of the clean images, how many are shown with the trigger too."""

    name = "unlearn"
    title = "unlearning the trigger that was found"
    paper = "Wang et al. 2019, Neural Cleanse, IEEE S&P"
    needs_trigger = True

    def repair(self, task: Task) -> None:
        data = with_trigger(task, self.share)
        task.tune(for_data(TUNING, task.data, lr=self.lr, epochs=self.epochs), data=data, stage=self.name)


def with_trigger(task: Task, share: float) -> ImageSet:
    """The clean images and, of those that the trigger's route starts from, a `share` once more with the trigger, all with their right labels."""
    images, labels, found = to_float(task.data.images), task.data.labels, task.recovered
    assert labels is not None
    assert found is not None
    rows = np.flatnonzero(found.route.starts(labels))
    if not len(rows):
        raise ClassifierError(
            f"expected clean images that the trigger leads away ({found.route.words()}), got none of such a class; give images of more classes"
        )
    chosen = rng(task.seed, "repair", "unlearn").permutation(rows)[: max(1, round(share * len(rows)))]
    return ImageSet(
        np.concatenate([images, found.trigger(images[chosen])]),
        np.concatenate([labels, labels[chosen]]),
        class_names=task.data.class_names,
    )
