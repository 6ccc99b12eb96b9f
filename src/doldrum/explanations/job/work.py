"""The work of an explanation in the confined process: open the model, read the images, search and test.

The process writes files to its work folder, and returns its results as JSON.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.confined.job import Tell
from doldrum.confined.material import Material, fitted, left_out, listed, read_material, same_images
from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.explanations.explain import FOUND, MOST_IMAGES, explained
from doldrum.explanations.job.pixels import write_shown
from doldrum.opening.inside import open_suspect
from doldrum.opening.settings import notes_in_flags
from doldrum.records.audit import MOST_SKIPPED

__all__ = ["work"]


def work(job: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Do an explanation's work.

    The dictionary `job` holds `settings` (from ExplanationSettings.to_dict), `work` (the path of a folder) and `seed`
    (a number).
    """
    settings, folder, seed = job["settings"], Path(job["work"]), int(job["seed"])
    tell({"stage": "model"})
    opened = open_suspect(settings)
    clean = read_material(settings["clean"], "clean", folder, opened, settings, tell)
    parts = []
    for n, path in enumerate(settings["images"]):
        place = folder / f"images-{n}"
        place.mkdir(exist_ok=True)
        parts.append(read_material(path, "images", place, opened, settings, tell, called="IMAGE"))
    material = _joined(parts)
    same_images(folder, material, clean)

    @contextlib.contextmanager
    def bar(total: int) -> Iterator[Callable[[int], None]]:
        tell({"stage": "explain", "total": total})
        yield lambda done: tell({"done": done})

    found = explained(
        opened.classifier, material.images, clean.images, alpha=settings["alpha"], max_queries=settings["queries"], seed=seed,
        engine="auto", kept=folder / FOUND, bar=bar,
    )  # fmt: skip
    write_shown(folder, found)
    names = opened.class_names or (
        clean.class_names if len(clean.class_names) == opened.classifier.num_classes else None
    )
    return {
        "model": {
            "format": opened.format,
            "input_shape": list(opened.classifier.input_shape),
            "num_classes": opened.classifier.num_classes,
            "class_names": names and list(names),
            "notes": notes_in_flags(opened.notes),
        },
        "explanations": replace(found.without_pixels(), notes=tuple(notes_in_flags(found.notes))).to_dict(),
        "remarks": [*left_out(clean), *fitted(clean=clean), *(text for part in parts for text in fitted(flagged=part))],
        "images": listed(material.skipped, most=MOST_SKIPPED),
    }


def _joined(parts: list[Material]) -> Material:
    """Join the images of all paths into one set, in which each image has its own name."""
    count = sum(len(part.images) for part in parts)
    if count > MOST_IMAGES:
        raise InputError(
            f"expected at most {MOST_IMAGES} images to explain, got {count:,}; give only the most suspicious ones"
        )
    if len(parts) == 1:
        return parts[0]
    ids = [str(i) for part in parts for i in part.images.ids]
    if len(set(ids)) < len(ids):
        ids = [f"{n + 1}/{i}" for n, part in enumerate(parts) for i in part.images.ids]
    return Material(
        images=ImageSet(np.concatenate([np.asarray(part.images.images) for part in parts]), ids=ids),
        labels=tuple(label for part in parts for label in part.labels),
        class_names=(),
        skipped=tuple(one for part in parts for one in part.skipped),
        kind=parts[0].kind,
    )
