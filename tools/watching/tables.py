"""Markdown tables of what the study found."""

from __future__ import annotations

from collections.abc import Sequence

KINDS = ("drift", "attack", "open", "as calibrated", "early")


def clean_table(rows: list[dict]) -> str:
    """Runs in which anything was ever said, at each error probability."""
    levels = list(rows[0]["said"])
    lines = [f"| stream | calibration inputs | length | runs | {' | '.join(f'said at {float(a):g}' for a in levels)} |"]
    lines.append("| --- " + "| ---: " * (3 + len(levels)) + "|")
    for row in rows:
        for name, counts in (("", row["said"]), (", at the odds of uniform p-values", row["trap"])):
            if counts:
                figures = [f"{row['calibration']:,}", f"{row['length']:,}", row["runs"], *counts.values()]
                lines.append(f"| {row['stream']}{name} | " + " | ".join(map(str, figures)) + " |")
    return "\n".join(lines)


def delay_tables(rows: list[dict]) -> str:
    """One row a condition of a victim: median and 90% delay to the first word and to the one that stays, and what that was."""
    head = "calibration | clean before | condition | victim | first word: median, 90% | last word: median, 90% | "
    lines = [
        f"| {head}{' | '.join(KINDS)} |",
        "| ---: | ---: | --- | --- | ---: | ---: " + "| ---: " * len(KINDS) + "|",
    ]
    for row in sorted(rows, key=lambda r: (-r["calibration"], -r["before"], r["condition"], r["share"])):
        what = row["condition"] if row["share"] == 1 else f"{row['share']:.0%} {row['condition']}"
        times = [_times(row[name]) for name in ("first", "last")]
        kinds = [str(row[k]) for k in KINDS]
        shown = [f"{row['calibration']:,}", f"{row['before']:,}", what, row["victim"], *times, *kinds]
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _times(values: Sequence[float | None]) -> str:
    return ", ".join("-" if t is None else f"{t:,.0f}" for t in values)
