"""A plausible audit, made up from a seed: record.json, rows.parquet and pictures/, as `doldrum audit` leaves them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from doldrum.records.audit import AuditRecord

FAMILIES = {
    "noise": (0.1, 0.2, 0.4),
    "ablation": (0.1, 0.3, 0.6),
    "shift": (2.0, 5.0),
    "warp": (1.0, 3.0),
    "contrast": (0.4, 0.8),
    "fine noise": (0.2,),
}
DRAWS = 5
SHOWN = 200
NAMES = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]


def sample_audit(
    folder: Path,
    rows: int = 500,
    triggered: float = 0.1,
    seed: int = 0,
    ids: list[str] | None = None,
    class_names: list[str] | None = None,
    ranking: bool = False,
) -> AuditRecord:
    """Write an audit of `rows` images, a share of them `triggered` for class 0, into `folder`.

    `ids` and `class_names` (10) replace the made-up ones: hostile text goes there. `ranking`: one without clean images.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    names = NAMES if class_names is None else class_names
    bad = rng.random(rows) < triggered
    label = np.where(bad, 0, rng.integers(0, 10, rows))
    score = np.where(bad, rng.normal(9, 2, rows), rng.normal(0, 1.5, rows))
    calibration = np.sort(rng.normal(0, 1.5, 750))
    p = (751 - np.searchsorted(calibration, score)) / 751
    flag, discovery = p <= 0.01, p <= 0.004
    kept, back = [], []
    for i in range(rows):
        shares, labels = [], []
        for strengths in FAMILIES.values():
            for k in range(len(strengths)):
                same = int(rng.binomial(DRAWS, 0.95 if bad[i] else 0.9 - 0.3 * k))
                other = int((label[i] + 1 + rng.integers(9)) % 10)
                shares.append(same / DRAWS)
                labels.append([pair for pair in ([int(label[i]), same], [other, DRAWS - same]) if pair[1]])
        kept.append(shares)
        back.append(json.dumps(labels))
    order = np.lexsort((-score, p))
    picture: list[str | None] = [None] * rows
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    for i in order[:SHOWN]:
        picture[i] = f"{i:05d}.png"
        pixels = rng.integers(0, 200, (28, 28), dtype=np.uint8)
        if bad[i]:
            pixels[-3:, -3:] = 255
        Image.fromarray(pixels).save(pictures / f"{i:05d}.png")
        for strength in FAMILIES["noise"]:
            noisy = np.clip(pixels + 255 * strength * rng.standard_normal(pixels.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(pictures / f"{i:05d}-noisy-{strength:g}.png")
    frame = pd.DataFrame(
        {
            "id": ids or [f"images/{i:05d}.png" for i in range(rows)],
            "label": label.astype(np.int16),
            "score": score,
            "p_value": None if ranking else p,
            "flag": False if ranking else flag,
            "discovery": False if ranking else discovery,
            "kept": kept,
            "came_back": back,
            "picture": picture,
        }
    )
    frame.to_parquet(folder / "rows.parquet", index=False)
    record = AuditRecord(
        created="2026-11-23T07:20:00+00:00",
        doldrum="0.2.0",
        command="doldrum audit model.onnx --images suspects --clean clean --out report",
        seed=1234567890123456789,
        model={
            "name": "model.onnx",
            "sha256": "ab" * 32,
            "format": "onnx",
            "input_shape": [1, 28, 28],
            "num_classes": 10,
            "class_names": names,
            "preprocessing": {"size": [28, 28], "mean": [0.5], "std": [0.5], "channels": "grey"},
            "notes": ["mean and std were given on the command line"],
        },
        clean=None
        if ranking
        else {
            "source": "clean",
            "fit": 750,
            "calibration": 750,
            "accuracy": {"value": 0.912, "lower": 0.897, "upper": 0.926, "labelled": 1500},
            "claimed": 0.92,
        },
        images={
            "source": "suspects",
            "scanned": rows,
            "skipped": [
                {"id": "images/notes.txt", "why": "not an image: text"},
                {"id": "images/broken.png", "why": "the file ends too early"},
            ],
            "unlisted": 0,
        },
        promise=None
        if ranking
        else {
            "detector": "profile",
            "fpr": 0.01,
            "forwards": 63,
            "lower": 0.004,
            "upper": 0.018,
            "num_calibration": 750,
        },
        flags=None
        if ranking
        else {
            "count": int(flag.sum()),
            "expected": 0.01 * rows,
            "limit": int(0.01 * rows + 2 * np.sqrt(0.01 * rows)) + 1,
            "more_than_promised": bool(flag.sum() > 0.01 * rows + 2 * np.sqrt(0.01 * rows) + 1),
            "discoveries": int(discovery.sum()),
            "fdr": 0.1,
        },
        concentration=None
        if ranking or not flag.any()
        else {
            "label": 0,
            "flagged": int((flag & (label == 0)).sum()),
            "scanned": int((label == 0).sum()),
            "p_value": 1e-12 if triggered else 0.4,
        },
        band=tuple(
            {
                "name": name,
                "strengths": list(strengths),
                "low": [max(0.0, 0.4 - 0.2 * k) for k in range(len(strengths))],
                "middle": [0.9 - 0.3 * k for k in range(len(strengths))],
                "high": [1.0 - 0.1 * k for k in range(len(strengths))],
            }
            for name, strengths in FAMILIES.items()
        ),
        verdict={
            "exit_code": 3 if triggered and not ranking else 0,
            "heading": "Ranked, not flagged: there were no clean images to compare with"
            if ranking
            else "More images were flagged than false alarms explain"
            if triggered
            else "No more images were flagged than false alarms explain",
            "sentences": ["This is about these images, not about the model."],
        },
    )
    record.save(folder / "record.json")
    return record
