"""One cell: a victim, the images of it that are explained, and what came of them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

import doldrum as dd
from doldrum.attacks import ATTACKS
from doldrum.attacks.victims import CLEAN, Victim, VictimSpec, get_victim
from doldrum.classifiers.base import labels_of
from doldrum.pixels import to_float
from doldrum.training.recipe import RECIPES

__all__ = ["NETWORKS", "cell"]

NETWORKS = {"fashion-cnn": {"epochs": 2}, "mlp": {"network": "mlp", "epochs": 4}}
"""What of the recipe fashion-cnn is changed. No choice was made by the mlp."""
_TRUSTED, _CANDIDATES = range(1000), range(2000, 6000)
_FIT, _CALIBRATE, _SCAN = range(1000, 1500), range(1500, 2500), range(2500, 5000)


def cell(network: str, attack: str, seed: int, *, most: int) -> dict[str, Any]:
    """What came of `most` images of a victim: triggered ones that hit, or of a clean model those that are flagged at 1%."""
    names = list(ATTACKS)
    target = 0 if attack == CLEAN else (7 * names.index(attack) + 3 * seed) % 10
    recipe = replace(RECIPES["fashion-cnn"], **NETWORKS[network])
    victim = get_victim(VictimSpec(attack=attack, recipe=recipe, seed=seed, target=target))
    test = dd.load_dataset("fashion-mnist:test")
    pool = test.take(list(_SCAN if attack == CLEAN else _CANDIDATES))
    if attack == CLEAN:
        rows, images = _flagged(victim, test, pool)
    else:
        rows, images = _triggered(victim, pool)
    began = time.process_time()
    found = dd.explain(victim.model, images[:most], test.take(list(_TRUSTED)).images, seed=seed, progress=False)
    row: dict[str, Any] = {
        "network": network, "attack": attack, "seed": seed, "target": target, "n": len(found.explained), "proven": found.proven,
        "queries": found.queries, "processor_seconds": round(time.process_time() - began, 1),
    }  # fmt: skip
    row["explained"] = [_told(one, images[i], to_float(pool.images[rows[i]])) for i, one in enumerate(found.explained)]
    return row


def _triggered(victim: Victim, pool: Any) -> tuple[np.ndarray, np.ndarray]:
    """Images that the trigger takes to the target, whose class and label without it are others."""
    assert victim.trigger is not None
    assert victim.plan is not None
    labels = np.asarray(pool.labels)
    images = to_float(victim.trigger(pool.images))
    images = np.rint(images * 255).astype(np.uint8)
    before, after = (labels_of(victim.model(to_float(x))) for x in (pool.images, images))
    target = (labels + 1) % 10 if victim.plan.mode == "all-to-all" else np.full(len(labels), victim.plan.target)
    fine = (after == target) & (labels != target) & (before != target)
    if victim.plan.mode == "source-specific":
        fine &= labels == victim.plan.source
    rows = np.flatnonzero(fine)
    return rows, images[rows]


def _flagged(victim: Victim, test: Any, pool: Any) -> tuple[np.ndarray, np.ndarray]:
    """Clean images that a SmoothnessProfile flags, most suspicious first."""
    detector = dd.detectors.SmoothnessProfile(seed=1)
    detector.fit(victim.model, test.take(list(_FIT)))
    detector.calibrate(test.take(list(_CALIBRATE)), fpr=0.01)
    result = detector.scan(pool)
    rows = np.flatnonzero(result.flags)
    rows = rows[np.argsort(result.p_values[rows], kind="stable")]
    return rows, np.asarray(pool.images)[rows]


def _told(one: Any, image: np.ndarray, before: np.ndarray) -> dict[str, Any]:
    made = {
        name: getattr(one, name)
        for name in ("label", "proven", "kind", "size", "scope", "together", "p_adjusted", "rank", "holds")
    }
    for name in ("success", "control"):
        value = getattr(one, name)
        made[name] = None if value is None else {"hits": value.hits, "n": value.n}
    if one.kind == "region":
        changed = (np.abs(to_float(image) - before) > 1 / 255).any(axis=0)
        top, left = int(one.where["top"]), int(one.where["left"])
        inside = changed[top : top + int(one.where["height"]), left : left + int(one.where["width"])]
        made["pixels"], made["of_trigger"] = int(inside.size), int(inside.sum())
    return made
