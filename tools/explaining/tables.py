"""The tables of docs/results/explain.md, out of its cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from doldrum.records.attacks import KEPT_OUT
from doldrum.stats.proportions import proportion

__all__ = ["attack_table", "clean_table"]


def attack_table(rows: Sequence[dict[str, Any]]) -> str:
    """A row an attack of one network: how many are proven, by what, how large, and how far above the best control."""
    lines = [
        "| attack | models | images | proven | 95% | by | median region, pixels | success, best control (medians) | queries |",
        "| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    names = sorted({r["attack"] for r in rows} - {"clean"}, key=lambda a: (a in KEPT_OUT, a))
    for name in names:
        mine = [r for r in rows if r["attack"] == name]
        each = [one for r in mine for one in r["explained"]]
        proven = [one for one in each if one["proven"]]
        kinds = Counter(one["kind"] for one in proven)
        sizes = [one["pixels"] for one in proven if one["kind"] == "region"]
        shares = [
            np.median([one[k]["hits"] / one[k]["n"] for one in proven]) if proven else None
            for k in ("success", "control")
        ]
        lines.append(
            f"| {name}{' (held out)' if name in KEPT_OUT else ''} | {len(mine)} | {len(each)} | {len(proven)} | {_interval(len(proven), len(each))} | "
            f"{', '.join(f'{kind} {count}' for kind, count in kinds.most_common()) or '-'} | {f'{np.median(sizes):.0f}' if sizes else '-'} | "
            f"{', '.join('-' if s is None else f'{s:.0%}' for s in shares)} | {np.mean([r['queries'] for r in mine]):,.0f} |"
        )
    return "\n".join(lines)


def clean_table(rows: Sequence[dict[str, Any]]) -> str:
    """A row a clean model, and their sum."""
    mine = [r for r in rows if r["attack"] == "clean"]
    lines = ["| clean model, seed | false flags explained | proven | by |", "| --- | ---: | ---: | --- |"]
    for row in mine:
        kinds = Counter(one["kind"] for one in row["explained"] if one["proven"])
        lines.append(
            f"| {row['seed']} | {row['n']} | {row['proven']} | {', '.join(f'{k} {c}' for k, c in kinds.items()) or '-'} |"
        )
    total, proven = sum(r["n"] for r in mine), sum(r["proven"] for r in mine)
    lines.append(f"| all | {total} | {proven} | {_interval(proven, total)} |")
    return "\n".join(lines)


def _interval(hits: int, n: int) -> str:
    if not n:
        return "-"
    found = proportion(hits, n)
    return f"{found.value:.2f} ({found.lower:.2f} to {found.upper:.2f})"
