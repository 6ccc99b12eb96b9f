"""What a repair is given: folders of an inspection and of an explanation that found the corner, and settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from repair_toys import CLASSES, TARGET, clean_images, corner

from doldrum.opening.files import digest_of
from doldrum.pixels import digest_of_image, to_float
from doldrum.records.explanations import Explanation, ExplanationRecord, Explanations, Success
from doldrum.records.inspection import InspectionRecord
from doldrum.repairing.job import RepairSettings


def save(path: Path, images: Any) -> None:
    np.savez(path, images=images.images, **({} if images.labels is None else {"labels": images.labels}))


SEARCHED = tuple(digest_of_image(image) for image in to_float(clean_images(120).images[:60]))


def inspected(
    folder: Path,
    *,
    model: str = "bad.onnx",
    trigger: Any = None,
    word: str = "suspicious",
    images: str | None = None,
    references: int = 0,
) -> str:
    """The folder of an inspection that found the corner; its inspector is none that would look again."""
    place = folder / "report"
    place.mkdir()
    found = corner().trigger if trigger is None else trigger
    (place / "trigger.json").write_text(json.dumps(found.to_dict()))
    finding = {
        "inspector": "corner",
        "source": None,
        "target": TARGET,
        "score": 3.0,
        "p_value": 0.4 if references else None,
        "anomaly": 0.001,
        "smaller": None,
    }
    half = {"hits": 40, "n": 40, "value": 1.0, "lower": 0.9, "upper": 1.0}
    InspectionRecord(
        created="2026-01-01", doldrum="0", command="doldrum inspect", seed=4,
        model={
            "name": model, "sha256": digest_of(folder / model), "format": "onnx", "input_shape": [1, 6, 6], "num_classes": CLASSES,
            "class_names": None, "preprocessing": None, "notes": [],
        },
        clean={"source": "clean.npz", "images": 120, "sha256": images, "search": 60, "test": 60, "accuracy": None, "claimed": None},
        references={"source": "references", "count": references, "fpr": 0.05} if references else None, finding=finding, success=half, trigger={"kind": "masked-pattern", "factor": 1.0, "examples": []},
        inspectors=({"name": "corner", "title": "a corner", "needs": "gradients", "seconds": 1.0, "refused": "", "values": [[None, TARGET, -1.0, 3.0]], "band": None},),
        verdict={"word": word, "exit_code": 0 if word == "no sign" else 3, "heading": "", "sentences": [], "not_looked": []},
    ).save(place / "record.json")  # fmt: skip
    return str(place)


def explained(folder: Path, *, model: str = "bad.onnx", trigger: Any = None, **more: Any) -> str:
    """The folder of an explanation that proved the corner in the second of two images."""
    place = folder / "why"
    place.mkdir()
    (place / "trigger.json").write_text(json.dumps((corner().trigger if trigger is None else trigger).to_dict()))
    success = Success(hits=40, n=40, value=1.0, lower=0.9, upper=1.0)
    known: dict[str, Any] = {
        "image": "b.png",
        "label": TARGET,
        "proven": True,
        "why": "",
        "success": success,
        "p_adjusted": 0.001,
    }
    one = Explanation(**(known | {"searched": SEARCHED} | more))
    none = Explanation(image="a.png", label=0, proven=False, why="")
    ExplanationRecord(
        created="2026-01-01", doldrum="0", command="doldrum explain", model={"name": model, "sha256": digest_of(folder / model)}, clean="clean.npz",
        skipped=(), unlisted=0, remarks=(), explanations=Explanations(explained=(none, one), alpha=0.05, seed=9, clean=120, queries=1),
    ).save(place / "record.json")  # fmt: skip
    return str(place)


def settings(folder: Path, **more: Any) -> RepairSettings:
    known: dict[str, Any] = {"model": "bad.onnx", "clean": "clean.npz", "repaired": "good.onnx", **more}
    paths = {name: str(folder / known.pop(name)) for name in ("model", "clean", "repaired")}
    return RepairSettings(**paths, out=str(folder / "good-report"), **known)
