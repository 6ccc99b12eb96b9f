"""The tables of docs/results/watch.md, of what the study found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

_KINDS = ("drift", "attack", "open", "as calibrated", "early")
_HEAD = "first verdict after | lasting verdict after | " + " | ".join(_KINDS) + " |"
_RULE = " ---: | ---: |" + " ---: |" * len(_KINDS)


def clean_table(rows: Sequence[dict]) -> str:
    """Runs in which anything was ever said, at each error probability."""
    levels = list(rows[0]["said"])
    lines = [
        f"| stream | calibration inputs | length | runs | {' | '.join(f'alarms at {float(a):g}' for a in levels)} |"
    ]
    lines.append("| --- |" + " ---: |" * (3 + len(levels)))
    for row in rows:
        for name, counts in (("", row["said"]), (", p-values taken as uniform", row["trap"])):
            if counts:
                shown = [f"{row['calibration']:,}", f"{row['length']:,}", row["runs"], *counts.values()]
                lines.append(f"| {row['stream']}{name} | " + " | ".join(map(str, shown)) + " |")
    return "\n".join(lines)


def drift_table(rows: Sequence[dict]) -> str:
    """A row a condition and setting, its victims together."""
    lines = [
        f"| calibration inputs | clean before | images | victims | {_HEAD}",
        f"| ---: | ---: | --- | ---: |{_RULE}",
    ]
    chosen = sorted((r for r in rows if r["condition"] != "triggered"), key=lambda r: (r["condition"], *_setting(r)))
    for (condition, *_), found in groupby(chosen, key=lambda r: (r["condition"], *_setting(r))):
        these = list(found)
        lines.append(_line([*_shown(these[0]), condition, str(len(these))], these))
    return "\n".join(lines)


def attack_table(rows: Sequence[dict]) -> str:
    """A row a victim, share of triggered inputs and setting."""
    lines = [
        f"| calibration inputs | clean before | triggered | victim | {_HEAD}",
        f"| ---: | ---: | ---: | --- |{_RULE}",
    ]
    chosen = (r for r in rows if r["condition"] == "triggered")
    for row in sorted(chosen, key=lambda r: (r["share"], *_setting(r), r["victim"])):
        lines.append(_line([*_shown(row), f"{row['share']:.0%}", row["victim"]], [row]))
    return "\n".join(lines)


def _setting(row: dict) -> tuple[int, int]:
    return -row["calibration"], -row["before"]


def _shown(row: dict) -> list[str]:
    return [f"{row['calibration']:,}", f"{row['before']:,}"]


def _line(start: list[str], rows: Sequence[dict]) -> str:
    kinds = [str(sum(r[k] for r in rows)) for k in _KINDS]
    times = [_times(r[name] for r in rows) for name in ("first", "last")]
    return "| " + " | ".join([*start, *times, *kinds]) + " |"


def _times(values: Iterable[Sequence[float | None]]) -> str:
    """Median and 90%; of several victims each one's least and most."""
    found = []
    for each in zip(*values, strict=True):
        known = [t for t in each if t is not None]
        low, high = (
            f"{min(known):,.0f}" if known else "never",
            f"{max(known):,.0f}" if len(known) == len(each) else "never",
        )
        found.append(low if low == high else f"{low} to {high}")
    return ", ".join(found)
