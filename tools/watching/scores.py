"""Scores of clean, changed and triggered images by the detector of one victim; each once, kept as an .npz."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from doldrum.attacks import VictimSpec, get_victim
from doldrum.data import ImageSet, load_dataset, to_float
from doldrum.detectors import SmoothnessProfile
from doldrum.seeds import rng
from doldrum.studies.detection.stress import SHIFTS

TRAIN, FIT, CHANGED = 20_000, 2_000, 4_000
LONG, SHORT = "badnets", 20_000


CHANGES: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    **SHIFTS,
    "a little brighter": lambda x: np.clip(x + np.float32(0.03), 0, 1),
}
"""Conditions of drift: those of `study detection`, and one that is weaker."""


def scores(out: Path, attack: str, *, copies: int = 2) -> dict[str, np.ndarray]:
    """Scores of `clean` images, of `moved0`, … copies, of each of CHANGES, and of `triggered` images that hit; kept in out/ATTACK.npz.

    The victim sees 20,000 of Fashion-MNIST's training images. The 50,000 others (40,000, and the test images) are in one random order:
    2,000 to fit the detector, the rest are clean images that nothing was trained on. The first victim has scores of all of them, and
    of `copies` of each, moved by a pixel; the others of 20,000.
    """
    path = out / f"{attack}.npz"
    found = dict(np.load(path)) if path.exists() else {}
    wanted = ["clean", *CHANGES, "triggered", *(f"moved{i}" for i in range(copies if attack == LONG else 0))]
    missing = [name for name in wanted if name not in found]
    if not missing:
        return found
    seen, unseen = deal()
    spec = VictimSpec(attack=attack, data="fashion-mnist, 20,000 of train", seed=0)
    victim = get_victim(spec, seen, cache=out / "victims")
    assert victim.trigger is not None
    assert victim.plan is not None
    detector = SmoothnessProfile(seed=0).fit(victim.model, unseen.take(range(FIT)))
    clean = unseen.take(range(FIT, len(unseen) if attack == LONG else FIT + SHORT))
    for name in missing:
        print(attack, detector.engine, name, flush=True)
        if name == "clean":
            found[name] = detector.score_samples(clean)
        elif name in CHANGES:
            found[name] = detector.score_samples(CHANGES[name](to_float(clean.images[-CHANGED:])))
        elif name == "triggered":
            eligible = np.flatnonzero(victim.plan.eligible(clean.labels))[-CHANGED:]
            labels, values = detector.scored(ImageSet(to_float(victim.trigger(clean.images[eligible]))))
            hit = labels == victim.plan.attacker_labels(clean.labels[eligible], num_classes=clean.num_classes)
            print(f"{hit.mean():.1%} of the triggered hit", flush=True)
            found[name] = values[hit]
        else:
            found[name] = detector.score_samples(moved(clean.images, int(name.removeprefix("moved"))))
    np.savez(path, **found)
    return found


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
