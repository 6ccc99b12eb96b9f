"""A record of an inspection, with hostile text wherever text can be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from doldrum.records.inspection import InspectionRecord

HOSTILE = "<script>alert(1)</script>\u202e'\"&"


def sample(*, references: bool = True, hostile: bool = False, **more) -> InspectionRecord:
    text = HOSTILE if hostile else "plain"
    values = {
        "created": "2026-01-01T00:00:00+00:00",
        "doldrum": "0.2.0",
        "command": f"doldrum inspect {text}",
        "seed": 0,
        "model": {
            "name": text, "sha256": "0" * 64, "format": text, "input_shape": [1, 6, 6], "num_classes": 10,
            "class_names": [f"{text}{k}" for k in range(10)], "preprocessing": {"scale": 1.0, "x": text}, "notes": [text],
        },
        "clean": {
            "source": text, "images": 200, "sha256": "a" * 64, "search": 100, "test": 100, "claimed": None,
            "accuracy": {"value": 0.9, "lower": 0.85, "upper": 0.95, "labelled": 200},
        },
        "references": {"source": text, "count": 40, "fpr": 0.05} if references else None,
        "finding": {
            "inspector": "mask", "source": None, "target": 3, "score": 9.5, "p_value": 1 / 41 if references else None,
            "anomaly": None if references else 0.001, "smaller": 3.4 if references else None,
        },
        "success": {"hits": 97, "n": 100, "value": 0.97, "lower": 0.91, "upper": 0.99},
        "trigger": {"kind": "masked-pattern", "factor": 2.0, "examples": [{"before": 1, "after": 3}, {"before": 2, "after": -1}]},
        "inspectors": [
            {
                "name": "mask", "title": "a pattern under a mask", "needs": "gradients", "seconds": 12.0, "refused": "",
                "values": [[None, k, float(k), 9.5 if k == 3 else 0.3 * k - 1.5] for k in range(10)] + [[None, None, None, None]],
                "band": [1.0, 3.5] if references else None,
            },
            {"name": "warp", "title": "a smooth warp", "needs": "gradients", "seconds": 0.0, "refused": text, "values": [], "band": None},
        ],
        "verdict": {
            "word": "backdoor shown" if references else "suspicious", "exit_code": 3, "heading": f"Heading {text}",
            "sentences": [f"First {text}", f"Second {text}"], "not_looked": [f"warp: {text}", "more"],
        },
    }  # fmt: skip
    return InspectionRecord(**(values | more))  # type: ignore[arg-type]


def write_sample(folder: Path, record: InspectionRecord) -> Path:
    """The record and its pictures, as an inspection leaves them."""
    (folder / "pictures").mkdir(parents=True)
    record.save(folder / "record.json")
    shown = len(record.trigger["examples"]) if record.trigger else 0
    names = ["trigger", "change", *(f"{i:02d}-{kind}" for i in range(shown) for kind in ("clean", "trigger"))]
    for i, name in enumerate(names):
        Image.fromarray(np.full((6, 6), 20 * i, dtype=np.uint8)).save(folder / "pictures" / f"{name}.png")
    return folder
