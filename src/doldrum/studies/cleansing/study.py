"""Study cleansing: how much of a backdoor is left if a training set is cleansed by a method, and the model is trained again.

A cell is one attack. A part of the training set is poisoned, and a model is trained on this set. Each method uses this
model to choose the samples to drop. Then a new model is trained on the remaining samples, with the same recipe and
seed. The arms of the study, that is, the ways to choose the samples to drop, are:

- *none*: no sample is dropped.
- *known*: exactly the poisoned samples are dropped. No real method knows which samples are poisoned, so *known* shows
  the best possible result.
- *profile*: the smoothness profile flags samples at the promised false-positive rate `fpr`, and the flagged samples are
  dropped. The smoothness profile uses clean test images that are not used to evaluate the models.
- *ranking*: the smoothness profile ranks the samples without clean images, and the most suspicious samples are dropped.
  The share of dropped samples is 1.5 times the poison rate.
- *spectral*: spectral signatures. In each class, a share of the samples is dropped: 1.5 times the largest true share of
  poison in any class. The paper of spectral signatures assumes that the largest true share of poison in any class is
  known.
- *clustering*: activation clustering. The smaller cluster of a class is dropped if it is small and well separated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.attacks import CLEAN, VictimSpec, make_attack
from doldrum.cleansing.methods import profile, ranking
from doldrum.cleansing.methods.by_class import by_class
from doldrum.data import ImageSet
from doldrum.detectors.profile.ranking import rank
from doldrum.errors import InputError
from doldrum.poisoning import evaluate, poison
from doldrum.seeds import rng
from doldrum.stats.auroc import auroc
from doldrum.studies.base import Cell, Study, datasets, facts_of, num_test_images
from doldrum.studies.cell_checks import adds_samples, at_most, check_whole
from doldrum.studies.material import seed_of

__all__ = ["ARMS", "STUDY", "CleansingCell", "run"]

ARMS = ("none", "profile", "ranking", "spectral", "clustering", "known")
_LEVELS = (0.01, 0.05, 0.1)


@dataclass(frozen=True, kw_only=True)
class CleansingCell(Cell):
    """A cell of the study: one attack on a part of the training set.

    Parameters
    ----------
    samples
        The number of training samples. These samples are drawn with the seed, and a part of them is poisoned.
    fit, calibration
        The numbers of clean test images to fit and to calibrate the profile detector. The models are evaluated on the
        remaining test images.
    fpr
        The false-positive rate that the profile detector promises.

    This study does not use the fields `inputs`, `pick`, `draws`, `strengths` and `sigma`.
    """

    samples: int = 10_000
    fit: int = 500
    calibration: int = 500
    fpr: float = 0.05

    def __post_init__(self) -> None:
        check_whole(self, ("samples", 1000, None), ("fit", 50, None), ("calibration", 19, None))
        if not isinstance(self.fpr, float) or not 0 < self.fpr < 1:
            raise InputError(f"expected fpr between 0 and 1, got {self.fpr!r}; e.g. 0.05")
        super().__post_init__()
        adds_samples(self.attack)
        asked = self.fit + self.calibration + 1
        at_most(num_test_images(self.data), self.data, asked, what="the sum of fit, calibration and one test image")
        # If the number is known, it is compared before images are made; the ratio of classes may lower it.
        most = facts_of(self.data).images.get("train", self.samples)
        at_most(most, self.data, self.samples, what="samples")
        at_most(len(datasets(self.data)[0]), self.data, self.samples, what="samples")

    @property
    def victim(self) -> VictimSpec:
        return self.clean() if self.attack == CLEAN else super().victim

    def training_set(self) -> ImageSet:
        whole = datasets(self.data)[0]
        rows = rng(self.seed, "study", "cleansing", "samples").permutation(len(whole))[: self.samples]
        return whole.take(np.sort(rows))


@dataclass(frozen=True)
class _Material:
    """A training set, and how it was poisoned. For a training set without poison, `trigger` and `plan` are None."""

    data: ImageSet
    poisoned: NDArray[np.bool_]
    cover: NDArray[np.bool_]
    trigger: Any
    plan: Any


def run(cell: CleansingCell) -> dict[str, Any]:
    """Poison a training set, train a model, cleanse the set by each method, and train again.

    The values are: `target`, `samples`, `poisoned`, `cover`, and `largest_share`, the largest share of poison in a
    class. For each number in `levels`, `false` holds the share of clean images whose p-value is at most this number. In
    `false`, the key `held_out` is for test images, and the key `training` is for training samples. For each number in
    `levels`, `found` holds the share of poisoned samples whose p-value is at most this number. `clusters` holds the
    clusters of each class. `arms` holds one entry for each way to choose the samples to drop. An entry of `arms` holds
    a name and three numbers of samples: `dropped`, `dropped_poison` and `dropped_cover`. An entry also has
    `clean_accuracy`, `asr` and `auroc`. The `auroc` compares the scores of poisoned samples with the scores of clean
    samples, and is None if the method does not rank samples.
    """
    from doldrum.training import train

    made, test = _material(cell), datasets(cell.data)[1]
    recipe = cell.clean().recipe
    order = rng(cell.seed, "study", "cleansing").permutation(len(test))
    ends = np.cumsum([cell.fit, cell.calibration])
    fit, calibration, rest = (test.take(part) for part in np.split(order, ends))
    model = train(made.data, recipe, seed=cell.seed, progress=False)

    clean = ~made.poisoned & ~made.cover
    seed = seed_of(cell, f"cleansing {cell.attack}")
    known = profile.fitted_on_clean(model, fit, calibration, fpr=cell.fpr, seed=seed)
    predicted, scores = known.scored(made.data)
    rounds = rank(model, made.data, seed=seed)[1]
    share = _largest_share(made)
    verdicts = {
        "profile": profile.against_clean(known, made.data, predicted, scores),
        "ranking": ranking.verdict_of(rounds, rate=cell.rate),
        **by_class(model, made.data, ["spectral", "clustering"], rate=share),
    }
    p = verdicts["profile"].details["p_values"]
    held = known.scan(rest.take(range(min(1000, len(rest))))).p_values
    drops = {
        "none": np.zeros(len(made.data), dtype=bool), **{m: v.drop for m, v in verdicts.items()}, "known": made.poisoned,
    }  # fmt: skip
    arms, ends_of = [], {}
    for name in ARMS:
        drop = drops[name]
        key = drop.tobytes()
        if key not in ends_of:  # an arm that drops nothing has the first model
            again = model if not drop.any() else train(made.data.take(~drop), recipe, seed=cell.seed, progress=False)
            ends_of[key] = evaluate(again, rest, made.trigger, made.plan)
        found = ends_of[key]
        order_by = verdicts[name].scores if name in ("profile", "ranking", "spectral") else None
        arms.append({
            "arm": name, "dropped": int(drop.sum()), "dropped_poison": int(drop[made.poisoned].sum()),
            "dropped_cover": int(drop[made.cover].sum()), "clean_accuracy": found.clean_accuracy.value,
            "asr": None if found.asr is None else found.asr.value,
            "auroc": None if order_by is None or not made.poisoned.any()
            else round(auroc(order_by[clean], order_by[made.poisoned]), 5),
        })  # fmt: skip
    return {
        "target": cell.target, "samples": len(made.data), "poisoned": int(made.poisoned.sum()), "cover": int(made.cover.sum()),
        "largest_share": round(share, 5), "levels": list(_LEVELS), "evaluated": len(rest),
        "false": {"held_out": _shares(held), "training": _shares(p[clean])},
        "found": _shares(p[made.poisoned]) if made.poisoned.any() else None,
        "training_accuracy": round(float((predicted[clean] == np.asarray(made.data.labels)[clean]).mean()), 5),
        "limit": verdicts["profile"].details["limit"], "engine": known.engine,
        "clusters": [{k: round(v, 5) if isinstance(v, float) else v for k, v in c.items()} for c in verdicts["clustering"].details["classes"]],
        "arms": arms,
    }  # fmt: skip


def _material(cell: CleansingCell) -> _Material:
    data = cell.training_set()
    if cell.attack == CLEAN:
        none = np.zeros(len(data), dtype=bool)
        return _Material(data, none, none, None, None)
    made = make_attack(
        cell.attack, data, recipe=cell.clean().recipe, seed=cell.seed, rate=cell.rate, target=cell.target or 0,
        settings=dict(cell.settings),
    )  # fmt: skip
    bad = poison(data if made.train_set is None else made.train_set, made.trigger, made.plan, seed=cell.seed)  # pyright: ignore[reportArgumentType]
    return _Material(bad, bad.poisoned, bad.cover, bad.trigger, bad.plan)


def _largest_share(made: _Material) -> float:
    """The largest share of poison in any class, at most 50%, for the method spectral signatures; 5% if nothing is poisoned."""
    labels = np.asarray(made.data.labels)
    shares = [float(made.poisoned[labels == k].mean()) for k in np.unique(labels)]
    return min(max(shares), 0.5) if made.poisoned.any() else 0.05


def _shares(p: NDArray[np.float64]) -> list[float]:
    return [round(float((p <= level * (1 + 1e-9)).mean()), 5) for level in _LEVELS]


STUDY = Study(
    name="cleansing",
    version=7,  # SmoothnessProfile adds the distance of the classes; records of version 6 are not continued
    cell=CleansingCell,
    run=run,
    grids={
        "quick": {
            "recipe": "fashion-cnn", "changes": {"threads": 1, "epochs": 4}, "samples": 4000, "fit": 300, "calibration": 300,
            "seed": 0, "cells": [{"attack": ["badnets", "blended"]}],
        },
        "full": {
            "recipe": "fashion-cnn", "changes": {"threads": 1, "epochs": 6}, "samples": 5000, "fit": 500, "calibration": 500,
            "cells": [{"attack": ["badnets", "blended", "wanet", "sig", "all-to-all", "adap-blend", "tact", "lf", CLEAN],
                       "seed": [0, 1]}],
        },
    },
)  # fmt: skip
