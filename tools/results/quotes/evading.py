"""docs/results/detection-design.md, "An attacker who trains against the profile": what tools/evading-study measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from doldrum.studies.detection.judge import LEVELS
from results import pages
from results.figures import Studies, mean, short

PAGE = "docs/results/detection-design.md"
RECORDS = pages.RESULTS / "detection-evading" / "records.jsonl"
_ROWS = {
    "BadNets": ("badnets", "profile"),
    "profile-evading": ("evading", "profile"),
    "profile-evading with a known seed, a detector with another seed": ("evading, seed known", "profile"),
    "profile-evading with a known seed, the detector with this seed": ("evading, seed known", "profile, seed known"),
}


def quotes(studies: Studies) -> Iterator[str]:
    records = [json.loads(line) for line in RECORDS.read_text(encoding="utf-8").splitlines()]
    for title, (arm, detector) in _ROWS.items():
        mine = [r for r in records if r["arm"] == arm]
        yield line(title, [r for r in mine if r["detector"] == detector], [r for r in mine if r["detector"] == "strip"])


def line(title: str, rows: list[dict[str, Any]], strip: list[dict[str, Any]]) -> str:
    """A row of the table: means over models."""
    accuracy, success = (f"{100 * mean(r[name] for r in rows):.1f}%" for name in ("clean_accuracy", "asr"))
    found = [" / ".join(short(share(r, "found_hits", "hits", level)) for r in rows) for level in (0.01, 0.05)]
    false = [f"{100 * mean(share(r, 'false', 'clean', level) for r in rows):.1f}%" for level in (0.01, 0.05)]
    other = " / ".join(short(share(r, "found_hits", "hits", 0.01)) for r in strip) or "not measured"
    kept = short(mean(r["kept"] for r in rows))
    seconds = f"{mean(r['training_seconds'] for r in rows):.0f} s"
    return f"| {' | '.join([title, accuracy, success, *found, ', '.join(false), other, kept, seconds])} |"


def share(row: dict[str, Any], count: str, of: str, level: float) -> float:
    return row[count][LEVELS.index(level)] / row[of]
