"""Processor time of a score by SmoothnessProfile beside the model's own: python bench/score.py [--json FILE].

Labels are made up, so nothing is asked of a model: `fit` from two images a class (1,000 at least), then the scores of 256 images in one
batch and one by one, on one thread, for 10, 100 and 1,000 classes. Median of five rounds.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.detectors.profile.model import Clean, fit_shares
from doldrum.probes import OVERLAYS, default_families
from doldrum.provenance import versions_and_machine

CLASSES, IMAGES, ROUNDS = (10, 100, 1000), 256, 5


def labels_around(count: int, classes: int, rng: np.random.Generator) -> tuple[dict[str, Any], Any]:
    """Labels that stay less often the stronger a perturbation is, and otherwise go to a few labels most of the time."""
    labels = (np.arange(count) % classes).astype(np.int16)
    shapes = {name: (len(p.strengths), p.draws) for name, p in default_families((3, 224, 224)).items()}
    draws = {}
    for name, shape in {**shapes, "overlays": (1, OVERLAYS)}.items():
        stays = np.linspace(0.95, 0.3, shape[0])[:, None] * rng.beta(2, 1, (count, 1, 1))
        others = (7 * labels[:, None, None] + rng.zipf(1.6, (count, *shape))) % classes
        draws[name] = np.where(rng.random((count, *shape)) < stays, labels[:, None, None], others).astype(np.int16)
    return draws, labels


def seconds(call: Callable[[], object]) -> float:
    found = []
    for _ in range(ROUNDS):
        began = time.process_time()
        call()
        found.append(time.process_time() - began)
    return float(np.median(found))


def measure(classes: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    draws, labels = labels_around(max(1000, 2 * classes), classes, rng)
    clean = Clean(draws, labels, classes, fit_shares(draws, labels, classes))
    new, own = labels_around(IMAGES, classes, rng)
    few = {name: d[:16] for name, d in new.items()}

    def one_by_one() -> None:
        for i in range(16):
            clean.ratios({name: d[i : i + 1] for name, d in few.items()}, own[i : i + 1])

    whole, alone = seconds(lambda: clean.ratios(new, own)), seconds(one_by_one)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "classes": classes,
        "ms_in_a_batch": 1e3 * whole / IMAGES,
        "ms_alone": 1e3 * alone / 16,
        "peak_mib": round(peak),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rows = []
    for classes in CLASSES:
        rows.append(row := measure(classes))
        print(
            f"{classes:5} classes: {row['ms_in_a_batch']:.2f} ms an image in a batch, {row['ms_alone']:.2f} ms alone; peak memory {row['peak_mib']} MiB",
            flush=True,
        )
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({**versions_and_machine(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
