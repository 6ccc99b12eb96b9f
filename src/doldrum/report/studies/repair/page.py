"""The report of `study repair`: results for each method and number of clean images, and for each attack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from doldrum.records.study import CellRecord, StudyRecords
from doldrum.report.studies.models import title_of
from doldrum.report.studies.parts import Section, StudyPage, StudyTable
from doldrum.report.words import counted, number, percent
from doldrum.stats.effects import Effect, mean_effect

__all__ = ["lower_than", "page", "rows_of"]

_CLEAN = "clean"
_PLAIN = "fine-tune"
"""The simplest method, with which the best method is compared."""


def rows_of(cells: Sequence[CellRecord]) -> list[dict[str, Any]]:
    """One row per model and method, with the results before and after the repair; methods that could not run are left out."""
    rows = []
    for cell in cells:
        for one in cell.values["methods"]:
            if "refused" in one:
                continue
            rows.append({
                "attack": cell.cell["attack"], "seed": cell.cell["seed"], "inputs": cell.cell["inputs"], "method": one["method"],
                "asr_before": cell.values["asr"], "asr": one["asr"], "accuracy_before": cell.values["clean_accuracy"],
                "accuracy": one["clean_accuracy"], "lost": cell.values["clean_accuracy"] - one["clean_accuracy"],
                "der": one["der"], "found": cell.values["found"], "verdict": one["verdict"], "cpu_seconds": one["cpu_seconds"],
            })  # fmt: skip
    return rows


def page(records: StudyRecords) -> StudyPage:
    """Make the page of the study; every number on it is computed from the records."""
    rows = rows_of(records.cells)
    attacked = [row for row in rows if row["attack"] != _CLEAN]
    sizes = sorted({row["inputs"] for row in rows})
    methods = list(dict.fromkeys(row["method"] for row in rows))
    sections = [Section(f"With {size:,} clean images", tables=[_table(rows, methods, size)]) for size in sizes]
    sections.append(Section("By attack", [_BY], tables=[_attacks(attacked, methods, size) for size in sizes]))
    best = _best(attacked, methods, sizes)
    return StudyPage(
        title="Repairing backdoored models",
        headline=best,
        lede=[best, *_against(attacked, methods, sizes), _LEDE],
        sections=sections,
        numbers={"models": len(records.cells), "rows": _numbers(attacked, methods, sizes)},
        csv={"repairs": rows},
    )


_LEDE = (
    "Success is the attack success rate of the attacker’s own trigger, on 2,000 test images that no repair used. Ranges in brackets are 95% intervals over models. DER is the defence effectiveness rating of BackdoorBench. A DER of 1/2 means no change. "
    "A DER of 1 means that the trigger no longer works and no accuracy is lost."
)
_BY = "The tables give the mean success of the attacker’s trigger after the repair."


def _mean(rows: Sequence[dict[str, Any]], name: str) -> Effect:
    return mean_effect([row[name] for row in rows if row[name] is not None])


def _pick(rows: Sequence[dict[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def _share(effect: Effect) -> str:
    """A mean share as text, followed by its confidence limits in brackets. The limits are clipped to [0, 1]."""
    limits = f" ({percent(max(0.0, effect.lower))} to {percent(min(1.0, effect.upper))})" if effect.n > 1 else ""
    return "–" if effect.n == 0 else percent(effect.value) + limits


def _points(effect: Effect) -> str:
    limits = f" ({100 * effect.lower:+.2f} to {100 * effect.upper:+.2f})" if effect.n > 1 else ""
    return "–" if effect.n == 0 else f"{100 * effect.value:+.2f}{limits}".replace("-", "−")


def _table(rows: Sequence[dict[str, Any]], methods: Sequence[str], size: int) -> StudyTable:
    made = []
    for method in methods:
        mine = _pick(rows, method=method, inputs=size)
        attacked, clean = [r for r in mine if r["attack"] != _CLEAN], [r for r in mine if r["attack"] == _CLEAN]
        worst = max((r["asr"] for r in attacked if r["asr"] is not None), default=None)
        made.append([
            method, _share(_mean(attacked, "asr")), "–" if worst is None else percent(worst), _points(_mean(attacked, "lost")),
            _points(_mean(clean, "lost")), number(_mean(attacked, "der").value), number(_mean(mine, "cpu_seconds").value, 1), str(len(attacked)),
        ])  # fmt: skip
    head = [
        "method",
        "success after",
        "highest",
        "points of accuracy lost",
        "lost by clean models",
        "DER",
        "CPU seconds",
        "models",
    ]
    return StudyTable("Means over all attacks, for each method", head, made)


def _attacks(rows: Sequence[dict[str, Any]], methods: Sequence[str], size: int) -> StudyTable:
    attacks = list(dict.fromkeys(row["attack"] for row in rows))
    made = []
    for attack in attacks:
        mine = _pick(rows, attack=attack, inputs=size)
        found = [r["found"] for r in mine if r["method"] == methods[0]]
        after = [_mean(_pick(mine, method=method), "asr") for method in methods]
        made.append([
            title_of(attack), _share(_mean(_pick(mine, method=methods[0]), "asr_before")), f"{sum(map(bool, found))} of {len(found)}",
            *("–" if e.n == 0 else percent(e.value) for e in after),
        ])  # fmt: skip
    return StudyTable(f"{size:,} clean images", ["attack", "before", "target found", *methods], made)


def _first(rows: Sequence[dict[str, Any]], methods: Sequence[str], sizes: Sequence[int]) -> tuple[int, str | None]:
    """The number of clean images that the headline is about, and the method with the highest mean DER at this number."""
    size = 1000 if 1000 in sizes else sizes[-1]
    means = {m: _mean(_pick(rows, method=m, inputs=size), "der") for m in methods}
    known = {m: e for m, e in means.items() if e.n}
    return size, max(known, key=lambda m: known[m].value, default=None)


def _best(rows: Sequence[dict[str, Any]], methods: Sequence[str], sizes: Sequence[int]) -> str:
    size, best = _first(rows, methods, sizes)
    if best is None:
        return "No attacked model was repaired."
    mine = _pick(rows, method=best, inputs=size)
    return (
        f"With {size:,} clean images, {best} works best. Over {counted(len(mine), 'model')}, the attacker’s trigger succeeds on {percent(_mean(mine, 'asr_before').value)} of the test images before the repair "
        f"and on {percent(_mean(mine, 'asr').value)} of the test images after the repair."
    )


def lower_than(rows: Sequence[dict[str, Any]], method: str, other: str, size: int) -> Effect:
    """The success rate of the trigger after a repair by the method `other`, minus the success rate after a repair by
    `method`. The result is a mean over the models that both methods repaired."""
    after = [
        {(r["attack"], r["seed"]): r["asr"] for r in _pick(rows, method=name, inputs=size) if r["asr"] is not None}
        for name in (method, other)
    ]
    return mean_effect([after[1][model] - value for model, value in after[0].items() if model in after[1]])


def _against(rows: Sequence[dict[str, Any]], methods: Sequence[str], sizes: Sequence[int]) -> list[str]:
    size, best = _first(rows, methods, sizes)
    if best is None or best == _PLAIN:
        return []
    found = lower_than(rows, best, _PLAIN, size)
    if found.n < 2:
        return []
    told = f"{100 * found.value:.1f} points (95%: {100 * found.lower:.1f} to {100 * found.upper:.1f})"
    return [
        f"On the same {counted(found.n, 'model')}, the attacker’s trigger succeeds less often after a repair by {best} than after a repair by {_PLAIN}. The mean difference is {told}."
    ]


def _numbers(rows: Sequence[dict[str, Any]], methods: Sequence[str], sizes: Sequence[int]) -> list[dict[str, Any]]:
    made = []
    for size in sizes:
        for method in methods:
            mine = _pick(rows, method=method, inputs=size)
            if mine:
                made.append({
                    "method": method, "inputs": size, "models": len(mine), "asr": _mean(mine, "asr").value, "asr_before": _mean(mine, "asr_before").value,
                    "lost": _mean(mine, "lost").value, "der": _mean(mine, "der").value,
                })  # fmt: skip
    return made
