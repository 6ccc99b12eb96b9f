"""The report of `study sigma`: the effect under each rule for the strength, number of draws, estimator, and clipping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from doldrum.records.study import CellRecord, StudyRecords
from doldrum.report.figures import COLOURS, INK
from doldrum.report.study import Section, StudyFigure, StudyPage, StudyTable, bare_axes
from doldrum.report.study_models import number, span, title_of
from doldrum.stats.effects import Effect, mean_effect

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["page", "variants"]

_KINDS = (
    ("rules", "rule for the strength"),
    ("draws", "draws, at σ½"),
    ("estimators", "estimator of W, at σ½"),
    ("clip", "noisy images cut to [0, 1], at σ½"),
    ("curve", "strength"),
)


def variants(cells: Sequence[CellRecord], kind: str) -> dict[str, dict[str, Effect]]:
    """Variant -> attack -> mean effect over its models, of those variants that all models have."""
    names = [n for n in cells[0].values[kind] if all(n in c.values[kind] for c in cells)]
    attacks = list(dict.fromkeys(str(c.cell["attack"]) for c in cells))
    return {
        name: {a: mean_effect([_value(c.values[kind][name]) for c in cells if c.cell["attack"] == a]) for a in attacks}
        for name in names
    }


def _value(found: Any) -> float:
    return float(found["effect"] if isinstance(found, dict) else found)


def page(records: StudyRecords) -> StudyPage:
    """What the records say; every number is computed from them."""
    cells = records.cells
    tables = {kind: variants(cells, kind) for kind, _ in _KINDS}
    attacks = list(next(iter(tables["rules"].values())))
    sections = [
        Section(
            title.capitalize(),
            (_text(kind, cells),),
            [_curve_figure(tables["curve"])] if kind == "curve" else (),
            [_table(title, table, attacks, cells if kind == "rules" else ())],
        )
        for (kind, title), table in zip(_KINDS, tables.values(), strict=True)
        if table
    ]
    return StudyPage(
        title="how the answers depend on strength, draws, clipping and estimator",
        headline=_headline(tables["rules"]),
        lede=_lede(tables, cells),
        sections=sections,
        numbers={
            kind: {v: {a: asdict(e) for a, e in row.items()} for v, row in table.items()} for kind, table in tables.items()
        },
        csv={
            "effects": [
                {"kind": kind, "variant": v, "attack": a, **asdict(e)}
                for kind, table in tables.items() for v, row in table.items() for a, e in row.items()
            ]
        },
    )  # fmt: skip


def _kept(table: dict[str, dict[str, Effect]], name: str, of: str) -> tuple[int, int]:
    """In how many attacks a variant's effect has the sign that the variant `of` has."""
    attacks = [a for a in table[of] if a != "clean"]
    return sum(np.sign(table[name][a].value) == np.sign(table[of][a].value) for a in attacks), len(attacks)


def _headline(rules: dict[str, dict[str, Effect]]) -> str:
    turned = [name for name in rules if name != "half" and len(set(_kept(rules, name, "half"))) > 1]
    if not turned:
        return "No rule for the strength turns an answer round"
    return f"Another rule for the strength can turn an answer round: {', '.join(turned)}"


def _lede(tables: dict[str, dict[str, dict[str, Effect]]], cells: Sequence[CellRecord]) -> list[str]:
    def spoken(kind: str, of: str) -> str:
        table = tables[kind]
        return ", ".join(f"{n} {'{} of {}'.format(*_kept(table, n, of))}" for n in table if n != of)

    models = len(cells)
    draws = list(tables["draws"])
    text = (
        f"The effect of the trigger (difference in differences of mean W) on {models} models, with one thing changed at a time. "
        f"Attacks in which the mean effect keeps the sign that it has at σ½: by rule, {spoken('rules', 'half')}; by estimator, "
        f"{spoken('estimators', 'plug-in')}; with fewer than {draws[-1]} draws, {spoken('draws', draws[-1])}."
    )
    clean = tables["rules"]["half"].get("clean")
    if clean is None:
        return [text]
    return [
        text,
        f"Between two clean models the effect at σ½ is {span(clean)} over {clean.n} pairs: what no effect looks like.",
    ]


def _text(kind: str, cells: Sequence[CellRecord]) -> str:
    if kind == "rules":
        return "Each rule picks its strength from clean inputs of the clean model alone, another one for each model."
    if kind == "draws":
        return "Prefixes of the same draws. Plug-in W is biased low at few draws, on all four means alike."
    if kind == "estimators":
        return "From the same counts. The collision statistic is not divided by its largest value, so compare signs and spreads."
    return "Everything else as in the study." if kind == "clip" else "At one strength for all models."


def _table(
    title: str, table: dict[str, dict[str, Effect]], attacks: Sequence[str], cells: Sequence[CellRecord]
) -> StudyTable:
    sigma: Callable[[str], list[str]] = lambda v: (  # noqa: E731
        [number(float(np.mean([c.values["rules"][v]["sigma"] for c in cells])))] if cells else []
    )
    return StudyTable(
        "Mean effect over models, with 95% t intervals where there are several",
        [title, *(["mean σ"] if cells else []), *map(title_of, attacks)],
        [[name, *sigma(name), *(span(row[a]) for a in attacks)] for name, row in table.items()],
    )


def _curve_figure(curve: dict[str, dict[str, Effect]]) -> StudyFigure:
    return StudyFigure(
        "effect-by-strength", lambda ax: _plot(curve, ax),
        "Mean effect over models against the strength of the noise. Above 0 the trigger smooths.",
        "Effect of the trigger against noise strength, one line an attack",
    )  # fmt: skip


def _plot(curve: dict[str, dict[str, Effect]], ax: Axes) -> None:
    strengths = [float(s) for s in curve]
    ax.axhline(0, color=INK, linewidth=1)
    for i, attack in enumerate(next(iter(curve.values()))):
        colour = COLOURS["clean" if attack == "clean" else "backdoored"]
        style = ("-", "--", ":", "-.")[i % 4]
        ax.plot(strengths, [row[attack].value for row in curve.values()], style, color=colour, marker="osD^vPX"[i % 7],
                markersize=4, label=title_of(attack))  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks(strengths, [f"{s:g}" for s in strengths])
    ax.minorticks_off()
    bare_axes(ax, xlabel="strength σ of the noise", ylabel="effect on W")
    ax.legend(frameon=False, labelcolor=INK, fontsize=9)
