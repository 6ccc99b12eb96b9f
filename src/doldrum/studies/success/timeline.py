"""Measure accuracy, attack success and W of one model at chosen steps of its training."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from doldrum.attacks import make_attack
from doldrum.classifiers import as_classifier
from doldrum.errors import InputError
from doldrum.poisoning import poison
from doldrum.probes import Gaussian
from doldrum.stats.effects import superiority
from doldrum.studies.base import Cell, datasets
from doldrum.studies.calm import measure_calm, sigma_half_of
from doldrum.studies.material import choose_inputs, seed_of, victim
from doldrum.training import TrainingHook, train

__all__ = ["follow"]


class _Snapshots(TrainingHook):
    """A training hook that copies the model before each of the given training steps. Copying the model does not change
    the training."""

    name = "snapshots"

    def __init__(self, steps: Sequence[int]) -> None:
        self.steps, self.step, self.copies = set(steps), 0, dict[int, nn.Module]()

    def on_batch(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, model: nn.Module
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if self.step in self.steps:
            self.copies[self.step] = copy.deepcopy(model).eval()
        self.step += 1
        return images, labels


def follow(cell: Cell, steps: Sequence[int]) -> dict[str, Any]:
    """Train the cell's backdoored model again, and measure it before each of `steps` and at the end of its training.

    The values are: `sigma_half` (of the fully trained clean model with the same seed), `target` and `timeline`.
    `timeline` holds an entry for each measured step. An entry has the step, the accuracy (on the inputs from which
    sigma-half was computed) and the asr (on the chosen inputs). An entry also has w_clean, w_triggered and superiority,
    measured at sigma-half.

    Raises InputError for attacks that change the training.
    """
    training, _ = datasets(cell.data)
    spec = cell.victim
    made = make_attack(
        spec.attack, training, recipe=spec.recipe, seed=spec.seed, rate=spec.rate, target=spec.target,
        settings=dict(spec.settings),
    )  # fmt: skip
    if made.hook is not None or made.trigger is None:
        raise InputError(f"expected an attack that only adds samples, got {cell.attack}; name another attack")
    snapshots = _Snapshots(steps)
    clean_set = training if made.train_set is None else made.train_set
    poisoned = poison(clean_set, made.trigger, made.plan, seed=spec.seed)
    final = train(poisoned, spec.recipe, seed=spec.seed, progress=False, hook=snapshots)
    inputs = choose_inputs(cell, made.plan)
    sigma = sigma_half_of(cell, victim(cell.clean()), inputs.pick)
    probe = Gaussian([sigma], draws=cell.draws, seed=seed_of(cell, "draws"))
    triggered = made.trigger(inputs.chosen.images)
    timeline = []
    for step, module in sorted({**snapshots.copies, snapshots.step: final.module}.items()):
        model = as_classifier(module, input_shape=final.input_shape, num_classes=final.num_classes)
        before, after = measure_calm(model, inputs.chosen, probe), measure_calm(model, triggered, probe)
        right = measure_calm(model, inputs.pick, Gaussian([0.0], draws=1)).labels == inputs.pick.labels
        timeline.append(
            {
                "step": step,
                "accuracy": float(np.mean(right)),
                "asr": float(np.mean(after.labels == inputs.attacker)),
                "w_clean": round(float(before.hard.mean()), 6),
                "w_triggered": round(float(after.hard.mean()), 6),
                "superiority": superiority(after.hard[:, 0], before.hard[:, 0]),
            }
        )
    return {"sigma_half": sigma, "target": cell.target, "timeline": timeline}
