"""Compare a backdoored model with the clean model of the same seed (its clean twin).

W, a measure of smoothness, is measured on both models, for inputs without the trigger and with the trigger. The noise
draws are always the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.poisoning import evaluate
from doldrum.probes import Gaussian
from doldrum.studies.base import Cell, datasets
from doldrum.studies.calm import Calm, measure_calm, sigma_half_of
from doldrum.studies.material import choose_inputs, seed_of, trigger_and_plan, victim

__all__ = ["HEADLINE", "compare"]

HEADLINE = ("badnets", "all-to-all", "blended", "sig", "wanet", "tact")
"""The attacks for which study smoothing plans a significance test. The full grid of study smoothing has ten seeds for
each of these attacks. For other attacks, the full grid has only three seeds, so the effects of other attacks are
reported without a test.
"""


def compare(cell: Cell, strengths: Sequence[float]) -> dict[str, Any]:
    """Measure one backdoored model and the clean model of the same seed, at sigma-half and at `strengths`.

    Values: `sigma_half`, `clean_accuracy`, `asr`, `target`. `half` has W of each input at sigma-half. Its keys have the
    form "model/inputs", where the model is "suspect" (backdoored) or "clean". `soft_half` has W computed from
    probabilities instead of labels. `hit` says for each triggered input whether the backdoored model gives it the
    attacker's label. `curves` and `soft_curves` have mean W at each of `strengths`. `hit_curves` has mean W over only
    the inputs that get the attacker's label, and is empty if there are no such inputs. `control` has mean W of the
    backdoored model on clean inputs of the attacker's target classes, at sigma-half.
    """
    suspect, clean = victim(cell.victim), victim(cell.clean())
    trigger, plan = trigger_and_plan(cell, suspect)
    inputs = choose_inputs(cell, plan)
    sigma = sigma_half_of(cell, clean, inputs.pick)
    probe = Gaussian(sorted({*strengths, sigma}), draws=cell.draws, seed=seed_of(cell, "draws"))
    images = {"clean": inputs.chosen, "triggered": trigger(inputs.chosen.images)}
    found = {
        f"{name}/{kind}": measure_calm(model.model, images[kind], probe)
        for name, model in (("suspect", suspect), ("clean", clean))
        for kind in ("clean", "triggered")
    }
    at_half = Gaussian([sigma], draws=cell.draws, seed=seed_of(cell, "draws"))
    control = measure_calm(suspect.model, inputs.control, at_half)
    success = evaluate(suspect.model, datasets(cell.data)[1], trigger, plan)
    assert success.asr is not None
    hit = found["suspect/triggered"].labels == inputs.attacker
    return {
        "target": cell.target,
        "sigma_half": sigma,
        "clean_accuracy": success.clean_accuracy.value,
        "asr": success.asr.value,
        "engine": found["suspect/clean"].engine,
        "strengths": list(probe.strengths),
        "half": {key: _round(c.hard[:, c.at(sigma)]) for key, c in found.items()},
        "soft_half": {key: _round(c.soft[:, c.at(sigma)]) for key, c in found.items()},
        "hit": hit.astype(int).tolist(),
        "curves": {key: _round(c.hard.mean(axis=0)) for key, c in found.items()},
        "soft_curves": {key: _round(c.soft.mean(axis=0)) for key, c in found.items()},
        "hit_curves": {key: _round(c.hard[hit].mean(axis=0)) for key, c in found.items()} if hit.any() else {},
        "control": _control(control, inputs.control.labels, inputs.attacker),
    }


def _control(calm: Calm, labels: NDArray[np.int64] | None, attacker: NDArray[np.int64]) -> dict[str, Any]:
    """Mean W of clean inputs of the attacker's target classes. A class is weighted by the number of triggered inputs
    with this target class."""
    classes, counts = np.unique(attacker, return_counts=True)
    present = [
        (calm.hard[labels == c, 0].mean(), n) for c, n in zip(classes, counts, strict=True) if (labels == c).any()
    ]
    means, weights = np.array(present).T
    return {"w": _round(np.average(means, weights=weights)), "n": len(calm.hard)}


def _round(values: Any) -> Any:
    return np.round(values, 6).tolist()
