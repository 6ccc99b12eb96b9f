"""The report of `study sigma`: the effect of the trigger on W for each rule for the strength, number of draws, estimator and clipping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from doldrum.records.study import CellRecord, StudyRecords
from doldrum.report.figures import COLOURS, INK, bare_axes
from doldrum.report.studies.models import title_of
from doldrum.report.studies.parts import Section, StudyFigure, StudyPage, StudyTable
from doldrum.report.words import between, counted, listed, number, span
from doldrum.stats.effects import Effect, mean_effect

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["changed", "page", "reading", "variants"]

_KINDS = (
    ("rules", "rule for the strength"),
    ("draws", "draws, at σ½"),
    ("estimators", "estimator of W, at σ½"),
    ("clip", "noisy images clipped to [0, 1], at σ½"),
    ("curve", "strength"),
)
_SPOKEN = {
    "rules": "the rule for the strength",
    "draws": "the number of draws",
    "estimators": "the estimator",
    "clip": "clipping",
}
_VARIANTS = {"yes": "noisy images clipped to [0, 1]"}


def variants(cells: Sequence[CellRecord], kind: str) -> dict[str, dict[str, Effect]]:
    """The mean effect over models for each variant of a setting and each attack.

    Only variants that were measured on all models are included.
    """
    names = [n for n in cells[0].values[kind] if all(n in c.values[kind] for c in cells)]
    attacks = list(dict.fromkeys(str(c.cell["attack"]) for c in cells))
    return {
        name: {a: mean_effect([_value(c.values[kind][name]) for c in cells if c.cell["attack"] == a]) for a in attacks}
        for name in names
    }


def _value(found: Any) -> float:
    return float(found["effect"] if isinstance(found, dict) else found)


def page(records: StudyRecords) -> StudyPage:
    """Make the page of the study; every number on it is computed from the records."""
    cells = records.cells
    tables = {kind: variants(cells, kind) for kind, _ in _KINDS}
    attacks = list(next(iter(tables["rules"].values())))
    sections = [
        Section(
            title[0].upper() + title[1:],
            (_text(kind, cells),),
            [_curve_figure(tables["curve"])] if kind == "curve" else (),
            [_table(title, table, attacks, cells if kind == "rules" else ())],
        )
        for (kind, title), table in zip(_KINDS, tables.values(), strict=True)
        if table
    ]
    return StudyPage(
        title="how do the verdicts depend on the noise strength, the number of draws, clipping, and the estimator of W?",
        headline=_headline(tables),
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


def reading(effect: Effect) -> str:
    """The verdict from an effect's 95% interval: "smoother", "less smooth", or "neither" if the interval contains 0.

    >>> [reading(Effect(0.1, low, 0.2, 0.5, 4, "t")) for low in (0.05, -0.05)]
    ['smoother', 'neither']
    """
    return "smoother" if effect.lower > 0 else "less smooth" if effect.upper < 0 else "neither"


def changed(table: dict[str, dict[str, Effect]], of: str) -> dict[str, list[str]]:
    """For each variant of a setting, the attacks whose verdict differs from the verdict with the usual variant. `of` is
    the name of the usual variant.

    An attack is listed only if its interval does not contain the mean effect with the usual variant.
    """
    base = {a: effect for a, effect in table.get(of, {}).items() if a != "clean"}

    def other(found: Effect, usual: Effect) -> bool:
        return reading(found) != reading(usual) and not found.lower <= usual.value <= found.upper

    found = {n: [a for a in base if other(row[a], base[a])] for n, row in table.items()}
    return {n: names for n, names in found.items() if names}


def _headline(tables: dict[str, dict[str, dict[str, Effect]]]) -> str:
    names = [_SPOKEN[kind] for kind, of in _base(tables).items() if changed(tables[kind], of)]
    return f"The verdicts depend on {listed(names)}" if names else "The verdicts depend on none of these settings"


def _base(tables: dict[str, dict[str, dict[str, Effect]]]) -> dict[str, str]:
    """For each setting, the name of the usual variant, that is, the variant in all other studies."""
    return {"rules": "half", "draws": list(tables["draws"])[-1], "estimators": "plug-in", "clip": "no"}


def _lede(tables: dict[str, dict[str, dict[str, Effect]]], cells: Sequence[CellRecord]) -> list[str]:
    rules, base = tables["rules"], _base(tables)
    attacks = [a for a in rules["half"] if a != "clean"]
    per = between(rules["half"][a].n for a in attacks) if attacks else "0"
    lede = [
        f"This study measures the effect of the trigger, that is, by how much the backdoor lowers mean W. The study has {counted(len(cells), 'model')}, {per} per attack, and changes one "
        f"setting at a time. An attack is called smoother or less smooth if the 95% interval of its effect over models does not contain 0. The intervals are not corrected for the number of attacks. The other studies use the noise strength σ½ and do not clip noisy images. With the settings of the other studies, the results are: {_answers(rules['half'])}."
    ]
    for kind, of in base.items():
        other = changed(tables[kind], of)
        rest = [n for n in tables[kind] if n != of]
        if kind == "rules":
            lede.append(
                "With rules for the noise strength other than σ½, the results are: "
                + "; ".join(f"{n} (mean σ {_sigma(cells, n)}) {_answers(rules[n])}" for n in rest)
                + "."
            )
        elif not other:
            lede.append(
                f"No verdict depends on {_SPOKEN[kind]} (also measured: {listed([_VARIANTS.get(n, n) for n in rest])})."
            )
        else:
            where = "; ".join(
                f"{_VARIANTS.get(n, f'{n} draws' if kind == 'draws' else n)} {_answers(tables[kind][n], only=names)}"
                for n, names in other.items()
            )
            lede.append(f"These verdicts depend on {_SPOKEN[kind]}: {where}.")
    clean = rules["half"].get("clean")
    if clean is not None:
        lede.append(
            f"As a control, two clean models are compared, which should show no effect. The mean effect between two clean models is {span(clean)} at σ½, over {counted(clean.n, 'pair')} of models."
        )
    return lede


def _answers(row: dict[str, Effect], only: Sequence[str] | None = None) -> str:
    """A list of the attacks that make the model smoother or less smooth, with their effects.

    Attacks with the verdict "neither" are left out, unless `only` names them.
    """
    by: dict[str, list[str]] = {"smoother": [], "less smooth": [], "neither": []}
    for attack, effect in row.items():
        if attack != "clean" and (only is None or attack in only):
            by[reading(effect)].append(f"{title_of(attack)} {span(effect)}")
    if only is None:
        by.pop("neither")
    return (
        ", ".join(f"{word}: {listed(names)}" for word, names in by.items() if names)
        or "no attack makes the model smoother or less smooth"
    )


def _sigma(cells: Sequence[CellRecord], rule: str) -> str:
    return number(float(np.mean([c.values["rules"][rule]["sigma"] for c in cells])))


def _text(kind: str, cells: Sequence[CellRecord]) -> str:
    if kind == "rules":
        return (
            "Each rule chooses a noise strength for each model. The choice uses only clean inputs and the clean model."
        )
    if kind == "draws":
        return "All rows use the same list of draws: a row with n draws uses the first n draws of the list. With few draws, the plug-in estimate of W is too low. An effect is computed from four means of W, and all four means are too low by a similar amount."
    if kind == "estimators":
        return "All estimators of W use the same label counts. The collision statistic has another scale than the other estimators, because it is not divided by its largest value. So for the collision statistic, compare only the signs of the effects, and the widths of the intervals."
    return (
        "Except for clipping, all settings are the same as in the other studies."
        if kind == "clip"
        else "In this table and figure, the noise has the same strength for all models."
    )


def _table(
    title: str, table: dict[str, dict[str, Effect]], attacks: Sequence[str], cells: Sequence[CellRecord]
) -> StudyTable:
    sigma: Callable[[str], list[str]] = lambda v: [_sigma(cells, v)] if cells else []  # noqa: E731
    return StudyTable(
        "Mean effect over models, with a 95% t interval if there are several models",
        [title, *(["mean σ"] if cells else []), *map(title_of, attacks)],
        [[name, *sigma(name), *(span(row[a]) for a in attacks)] for name, row in table.items()],
    )


def _curve_figure(curve: dict[str, dict[str, Effect]]) -> StudyFigure:
    return StudyFigure(
        "effect-by-strength", lambda ax: _plot(curve, ax),
        "The figure shows the mean effect over models against the strength of the noise. An effect above 0 means that the trigger lowers W.",
        "Effect of the trigger against noise strength, one line per attack",
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
