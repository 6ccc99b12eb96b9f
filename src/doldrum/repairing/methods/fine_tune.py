"""`fine-tune`: continue the training with clean images."""

from __future__ import annotations

from dataclasses import dataclass

from doldrum.repairing.contract import RepairMethod, Task
from doldrum.repairing.recipe import for_task

__all__ = ["FineTune"]


@dataclass(frozen=True)
class FineTune(RepairMethod):
    """Continue to train all weights on clean images, with stochastic gradient descent.

    Fine-tuning is the baseline for the other methods.
    """

    lr: float = 0.01
    epochs: float = 20

    name = "fine-tune"
    title = "fine-tuning on clean images"
    needs_labels = True

    def repair(self, task: Task) -> None:
        task.tune(for_task(task, lr=self.lr, epochs=self.epochs), stage=self.name)
