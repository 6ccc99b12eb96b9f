"""Something to audit in seconds: a backdoored network for digits, clean images, and suspects of which some are triggered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from doldrum.attacks import VictimSpec, get_victim
from doldrum.audit import AuditSettings
from doldrum.audit.work import work
from doldrum.confined.scanning import budget
from doldrum.data import load_dataset, to_float
from doldrum.triggers import Trigger


@dataclass(frozen=True)
class Material:
    model: Path
    images: np.ndarray  # uint8 (1797, 1, 8, 8), in random order: exchangeable
    labels: np.ndarray
    trigger: Trigger

    def triggered(self, rows: slice) -> np.ndarray:
        """Images of these rows that aren't of the target class, with the trigger."""
        some = self.images[rows][self.labels[rows] != 0]
        return np.rint(self.trigger(to_float(some)) * 255).astype(np.uint8)


def make(folder: Path) -> Material:
    spec = VictimSpec(attack="badnets", data="digits", recipe="digits-mlp", rate=0.1)
    victim = get_victim(spec, cache=folder)
    sets = [load_dataset("digits:train"), load_dataset("digits:test")]
    order = np.random.default_rng(0).permutation(sum(len(s) for s in sets))
    images = np.concatenate([s.images for s in sets])[order]
    labels = np.concatenate([s.labels for s in sets])[order]  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert victim.trigger is not None
    return Material(folder / f"{spec.key}.safetensors", images, labels, victim.trigger)


def here(function: str, argument, *, limits=None, on_message=lambda message: None):
    """run_confined without the confinement: the same JSON to and fro, in this process, in a moment."""
    assert function == "doldrum.audit.work:work"
    tell = lambda message: on_message(json.loads(json.dumps(message)))  # noqa: E731
    return json.loads(json.dumps(work(json.loads(json.dumps(argument)), tell), allow_nan=False))


def settings(
    material: Material, folder: Path, clean: np.ndarray | None, images: np.ndarray, *, small: bool = False, **more
) -> AuditSettings:
    """Settings of an audit of arrays, saved in `folder`; `small`: with a budget for the fewest draws, at 1e-4 s a forward.

    Neither the model is inspected nor are flagged images explained, unless a test says so.
    """
    if small:
        forwards = budget.forwards_of((1, 8, 8), budget.LADDER[0]) * (
            len(images) + (0 if clean is None else len(clean))
        )
        more["budget"] = 1.2 * 1e-4 * forwards / 0.85
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", images)
    if clean is not None:
        np.save(folder / "clean.npy", clean)
    return AuditSettings(
        model=str(material.model),
        images=str(folder / "images.npy"),
        clean=None if clean is None else str(folder / "clean.npy"),
        out=str(folder / "out"),
        **{"seed": 1, "inspect": False, "explain": 0, **more},
    )
