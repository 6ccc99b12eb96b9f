"""Scores of clean, changed and triggered images by the detector of one victim; each victim once, kept as an .npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from doldrum.attacks import VictimSpec, get_victim
from doldrum.data import ImageSet, load_dataset, to_float
from doldrum.detectors import SmoothnessProfile
from doldrum.seeds import rng
from doldrum.studies.detection.stress import SHIFTS

TRAIN, FIT, CHANGED = 20_000, 2_000, 4_000
LONG, SHORT = "badnets", 20_000


def scores(out: Path, attack: str, *, copies: int) -> Path:
    """Write `out/ATTACK.npz`: scores of `clean`, of `shifted` copies, of each of SHIFTS, and of `triggered` images that hit.

    The victim sees 20,000 of Fashion-MNIST's training images. The 50,000 others (40,000, and the test images) are in one random order:
    2,000 to fit the detector, the rest are clean images that nothing was trained on. The first victim has scores of all of them, and
    of `copies` of each, moved by one or two pixels; the others of 20,000.
    """
    path = out / f"{attack}.npz"
    if path.exists():
        return path
    seen, unseen = deal()
    spec = VictimSpec(attack=attack, data="fashion-mnist, 20,000 of train", seed=0)
    victim = get_victim(spec, seen, cache=out / "victims")
    assert victim.trigger is not None
    assert victim.plan is not None
    detector = SmoothnessProfile(seed=0).fit(victim.model, unseen.take(range(FIT)))
    clean = unseen.take(range(FIT, len(unseen) if attack == LONG else FIT + SHORT))
    found = {"clean": detector.score_samples(clean)}
    print(attack, detector.engine, "clean", flush=True)
    if attack == LONG:
        for copy in range(copies):
            found[f"moved{copy}"] = detector.score_samples(moved(clean.images, copy))
            print(attack, "moved", copy, flush=True)
    some = to_float(clean.images[-CHANGED:])
    for name, change in SHIFTS.items():
        found[name] = detector.score_samples(change(some))
    eligible = np.flatnonzero(victim.plan.eligible(clean.labels))[-CHANGED:]
    shown = to_float(victim.trigger(clean.images[eligible]))
    read = ImageSet(shown)
    labels, values = detector.scored(read)
    hit = labels == victim.plan.attacker_labels(clean.labels[eligible], num_classes=clean.num_classes)
    found["triggered"] = values[hit]
    np.savez(path, **{k: v.astype(np.float64) for k, v in found.items()})
    print(attack, f"whole; {hit.mean():.1%} of the triggered hit", flush=True)
    return path


def deal() -> tuple[ImageSet, ImageSet]:
    """20,000 training images, and all other images of the set in a random order."""
    train, test = load_dataset("fashion-mnist:train"), load_dataset("fashion-mnist:test")
    order = rng(0, "watch", "train").permutation(len(train))
    images = np.concatenate([train.images[order[TRAIN:]], test.images])
    labels = np.concatenate([train.labels[order[TRAIN:]], test.labels])
    again = rng(0, "watch", "rest").permutation(len(images))
    unseen = ImageSet(images[again], labels[again], class_names=train.class_names)
    return train.take(order[:TRAIN]), unseen


def moved(images: np.ndarray, copy: int) -> np.ndarray:
    """Each image moved by (-1, 0, 1) pixels in each direction, never (0, 0), by chance."""
    ways = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
    chosen = rng(0, "watch", "moved", copy).integers(0, len(ways), len(images))
    return np.stack([np.roll(x, ways[w], axis=(1, 2)) for x, w in zip(images, chosen, strict=True)])
