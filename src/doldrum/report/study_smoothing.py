"""The report of `study smoothing`: a verdict for each attack, over models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from doldrum.records.study import CellRecord, StudyRecords
from doldrum.report.figures import COLOURS, INK
from doldrum.report.study import Section, StudyFigure, StudyPage, StudyTable, bare_axes, name_rows
from doldrum.report.study_models import (
    ModelRow,
    between,
    counted,
    listed,
    model_rows,
    number,
    span,
    spoken,
    taken_away,
    title_of,
)
from doldrum.report.words import percent
from doldrum.stats.effects import Effect, holm, mean_effect

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["HEADLINE", "AttackRow", "attack_rows", "effects_by_strength", "page"]

HEADLINE = ("badnets", "all-to-all", "blended", "sig", "wanet", "tact")
PLANNED = 10
"""Seeds that a headline attack is meant to have."""
FEWEST, FEWEST_OTHERS = 3, 6
"""Models that a test takes, of a headline attack and of another; with fewer than 6, no sign-flip test can reach 5%."""
Verdict = Literal["smooths", "roughens", "not shown", "too few models", "descriptive", "control"]


@dataclass(frozen=True)
class AttackRow:
    """One attack over its models. `p_holm` is corrected for the `tests` of the page, None for attacks that are not tested;
    `p_flip` is the exact sign-flip test's p-value, shown beside the t-test's.
    """

    attack: str
    models: int
    inputs: int
    asr: float
    effect: Effect
    p_holm: float | None
    tests: int
    p_flip: float
    effect_hit: Effect
    effect_soft: Effect
    superiority: Effect
    superiority_twin: Effect
    calmer_than_class: Effect

    @property
    def verdict(self) -> Verdict:
        """At 5%, Holm-corrected: "smooths" or "roughens" by the sign of a significant effect; none without a test."""
        if self.attack == "clean":
            return "control"
        if self.p_holm is None:
            return "too few models" if self.attack in HEADLINE else "descriptive"
        if self.p_holm > 0.05:
            return "not shown"
        return "smooths" if self.effect.value > 0 else "roughens"


def attack_rows(rows: Sequence[ModelRow]) -> list[AttackRow]:
    """Over the models of each attack: headline attacks first, then the others, two clean models last.

    Tested, and corrected together, are headline attacks with at least 3 models and others with at least 6.
    """
    attacks = list(dict.fromkeys(r.attack for r in rows))
    order = [a for a in HEADLINE if a in attacks] + sorted(a for a in attacks if a not in (*HEADLINE, "clean"))
    order += ["clean"] if "clean" in attacks else []
    found = {a: [r for r in rows if r.attack == a] for a in order}
    effects = {a: mean_effect([r.effect for r in of]) for a, of in found.items()}
    fewest = lambda a: FEWEST if a in HEADLINE else FEWEST_OTHERS  # noqa: E731
    family = [a for a in order if a != "clean" and len(found[a]) >= fewest(a)]
    adjusted = dict(zip(family, holm([effects[a].p for a in family]), strict=True))
    return [_attack(a, found[a], effects[a], adjusted.get(a), len(family)) for a in order]


def _attack(attack: str, rows: list[ModelRow], effect: Effect, p_holm: float | None, tests: int) -> AttackRow:
    over = lambda name: mean_effect([x for x in (getattr(r, name) for r in rows) if math.isfinite(x)])  # noqa: E731
    return AttackRow(
        attack=attack,
        models=len(rows),
        inputs=sum(r.inputs for r in rows),
        asr=float(np.mean([r.asr for r in rows])),
        effect=effect,
        p_holm=None if p_holm is None else float(p_holm),
        tests=tests,
        p_flip=mean_effect([r.effect for r in rows], method="sign-flip").p,
        effect_hit=over("effect_hit"),
        effect_soft=over("effect_soft"),
        superiority=over("superiority"),
        superiority_twin=over("superiority_twin"),
        calmer_than_class=over("calmer_than_class"),
    )


def page(records: StudyRecords) -> StudyPage:
    """What the records say; every number is computed from them."""
    rows = model_rows(records.cells)
    attacks = attack_rows(rows)
    head = [a for a in attacks if a.attack in HEADLINE or a.p_holm is not None]
    rest = [a for a in attacks if a not in head]
    sections = [
        Section(
            "Effect of the trigger, model by model",
            (
                "For each model, W of the same inputs without and with the trigger under the same noise, at the clean model’s "
                "σ½. The effect is how much calmer the trigger makes them on the backdoored model, less how much calmer it "
                "makes them on the clean model of the same seed. Above 0 is smoother. Intervals are not corrected for the number of "
                "attacks; p-values and verdicts are.",
            ),
            [
                StudyFigure(
                    "effects", lambda ax: _plot_effects(rows, attacks, ax),
                    "Each dot is a trained model; the bar is the mean over models with its 95% t interval. Wide bars mean few "
                    "models.",
                    "Effect of the trigger on W for each attack, one dot a model", height=1.2 + 0.38 * len(attacks),
                )
            ],
            [t for t in (_table("Tested attacks", head), _table("Other attacks, described only, and the control", rest)) if t.rows],
        ),
        Section(
            "Along the curve",
            (
                "Mean W against the strength of the noise, averaged over the models of an attack. At strong noise the sign may "
                "turn, because noise destroys the trigger before it destroys the image.",
            ),
            [_curve_figure(a.attack, records.cells) for a in (head or attacks)],
            [_strength_table(attacks, records.cells)],
        ),
        Section(
            "Only inputs that hit, the soft twin, and the claimed class",
            (
                "An input hits when it gets the attacker’s label with the trigger on. The soft twin is the entropy of the mean "
                "probabilities instead of the label counts. The last column asks whether triggered inputs are calmer than clean "
                "inputs of the class they claim to be: above 0, they are.",
            ),
            (),
            [_more_table(attacks)],
        ),
    ]  # fmt: skip
    return StudyPage(
        title="smoothness rises when the trigger is added",
        headline=_headline(head),
        lede=[*_lede(head, rest, rows), *filter(None, [_strength_sentence(head or attacks, records.cells)])],
        sections=sections,
        numbers={"attacks": [_plain(a) for a in attacks], "models": len(rows), "inputs": sum(r.inputs for r in rows)},
        csv={"models": [r.to_dict() for r in rows], "attacks": [_flat(a) for a in attacks]},
    )


def _headline(attacks: Sequence[AttackRow]) -> str:
    if not attacks:
        return "No attack has enough models for a test"
    yes = sum(a.verdict == "smooths" for a in attacks)
    if yes == len(attacks):
        return f"The trigger smooths in all {yes} attacks" if yes > 1 else "The trigger smooths"
    return f"The trigger smooths in {yes} of {len(attacks)} attacks" if yes else "No smoothing by the trigger is shown"


def _lede(attacks: Sequence[AttackRow], rest: Sequence[AttackRow], rows: Sequence[ModelRow]) -> list[str]:
    parts = {v: [a for a in attacks if a.verdict == v] for v in ("smooths", "roughens", "not shown", "too few models")}
    texts = []
    if parts["smooths"]:
        texts.append(f"It holds for {listed([_named(a) for a in parts['smooths']])}.")
    if parts["roughens"]:
        texts.append(f"The trigger roughens instead for {listed([_named(a) for a in parts['roughens']])}.")
    if parts["not shown"]:
        texts.append(f"It is not shown for {listed([_named(a) for a in parts['not shown']])}.")
    if parts["too few models"]:
        names = listed([_named(a) for a in parts["too few models"]])
        texts.append(f"Fewer than {FEWEST} models are too few to say for {names}.")
    if not attacks:
        texts.append(f"No verdict: none of the tested attacks has {FEWEST} models, and no other has {FEWEST_OTHERS}.")
    else:
        texts.append(
            "The numbers are falls of mean W (0 calm, 1 uniform) caused by the backdoor, with 95% intervals over models; verdicts "
            f"are at 5% over models, Holm-corrected for {counted(attacks[0].tests, 'test')}."
        )
    lede = [
        "Finding under test: smoothness rises when the trigger is added. "
        + " ".join(texts)
        + f" {counted(len(rows), 'model')} {'was' if len(rows) == 1 else 'were'} measured beside the clean model of their seed, on "
        f"{between(r.inputs for r in rows)} inputs each."
    ]
    few = [title_of(a.attack) for a in attacks if a.attack in HEADLINE and a.models < PLANNED]
    if few:
        lede.append(f"Provisional: fewer than {PLANNED} models so far for {listed(few)}.")
    clean = [a for a in rest if a.attack == "clean"]
    if clean:
        lede.append(
            f"The same comparison between two clean models, where nothing is to be found, gives {spoken(clean[0].effect)} "
            f"over {clean[0].models} {'pair' if clean[0].models == 1 else 'pairs'}."
        )
    return lede


def _named(a: AttackRow) -> str:
    why = "" if a.p_holm is None else taken_away(a.effect, a.p_holm, a.tests)
    return f"{title_of(a.attack)} ({spoken(a.effect)}, {counted(a.models, 'model')}{why})"


def _table(caption: str, attacks: Sequence[AttackRow]) -> StudyTable:
    head = [
        "attack",
        "verdict",
        "models",
        "ASR",
        "effect (95%)",
        "p, corrected",
        "p, sign flips",
        "P(smoother)",
        "on the twin",
    ]
    return StudyTable(
        caption + ": difference in differences of mean W at σ½. P(smoother): probability that a triggered input is smoother "
        "than its clean twin, on the backdoored and on the clean model; one half is no difference.",
        head,
        [
            [
                title_of(a.attack), a.verdict, str(a.models), percent(a.asr), span(a.effect),
                _p(a.p_holm) if a.p_holm is not None else f"{_p(a.effect.p)} (uncorrected)" if a.models > 1 else "–",
                _p(a.p_flip) if a.models > 1 else "–",
                number(a.superiority.value, 2), number(a.superiority_twin.value, 2),
            ]
            for a in attacks
        ],
    )  # fmt: skip


def _more_table(attacks: Sequence[AttackRow]) -> StudyTable:
    return StudyTable(
        "Means over models with 95% t intervals",
        [
            "attack",
            "effect, all inputs",
            "effect, inputs that hit",
            "effect, soft twin",
            "calmer than the claimed class",
        ],
        [
            [title_of(a.attack), span(a.effect), span(a.effect_hit), span(a.effect_soft), span(a.calmer_than_class)]
            for a in attacks
        ],
    )


def effects_by_strength(attack: str, cells: Sequence[CellRecord]) -> dict[float, float]:
    """Strength -> mean effect over an attack's models, at the strengths that were asked of all of them."""
    chosen = [c for c in cells if c.cell["attack"] == attack and "curves" in c.values]
    own, shared = [c.values for c in chosen], _shared(chosen)
    found = {}
    for s in shared:
        w = [{k: curve[v["strengths"].index(s)] for k, curve in v["curves"].items()} for v in own]
        found[s] = float(
            np.mean([m["suspect/clean"] - m["suspect/triggered"] - m["clean/clean"] + m["clean/triggered"] for m in w])
        )
    return found


def _shared(cells: Sequence[CellRecord]) -> list[float]:
    """Strengths that all cells were asked for; sigma-half, measured besides, differs from model to model."""
    measured = ({float(s) for s in c.values["strengths"]} for c in cells)
    return sorted(set.intersection(*measured, *({float(s) for s in c.cell["strengths"]} for c in cells)))


def _strength_table(attacks: Sequence[AttackRow], cells: Sequence[CellRecord]) -> StudyTable:
    by = {a.attack: effects_by_strength(a.attack, cells) for a in attacks}
    strengths = sorted({s for found in by.values() for s in found})
    return StudyTable(
        "Mean effect over models at each strength of the noise",
        ["attack", *(f"σ {s:g}" for s in strengths)],
        [[title_of(a), *(number(found.get(s, math.nan), sign=True) for s in strengths)] for a, found in by.items()],
    )


def _strength_sentence(attacks: Sequence[AttackRow], cells: Sequence[CellRecord]) -> str:
    parts = []
    for a in attacks:
        found = effects_by_strength(a.attack, cells)
        if not found:
            continue
        best = max(found, key=found.__getitem__)
        if found[best] <= 0:
            parts.append(f"{title_of(a.attack)} at none of them")
            continue
        turned = "" if a.effect.value > 0 else f", against {number(a.effect.value, sign=True)} at σ½"
        parts.append(f"{title_of(a.attack)} {number(found[best], sign=True)} at σ = {best:g}{turned}")
    if not parts:
        return ""
    return (
        "The answer depends on the strength of the noise. The largest mean fall of W at the strengths of the curve, which was not "
        "tested: " + "; ".join(parts) + "."
    )


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _plot_effects(rows: Sequence[ModelRow], attacks: Sequence[AttackRow], ax: Axes) -> None:
    ax.axvline(0, color=INK, linewidth=1)
    for place, a in enumerate(attacks):
        colour = COLOURS["clean"] if a.attack == "clean" else COLOURS["backdoored"]
        values = [r.effect for r in rows if r.attack == a.attack]
        ax.plot(values, [place + 0.16] * len(values), "o", color=colour, alpha=0.5, markersize=4)
        if math.isfinite(a.effect.lower):
            ax.plot([a.effect.lower, a.effect.upper], [place - 0.12] * 2, color=colour, linewidth=2)
        ax.plot([a.effect.value], [place - 0.12], "D", color=colour, markersize=5)
    name_rows(ax, [title_of(a.attack) for a in attacks])
    bare_axes(ax, xlabel="effect on W at σ½ (above 0: the trigger smooths)")


def _curve_figure(attack: str, cells: Sequence[CellRecord]) -> StudyFigure:
    title = title_of(attack)
    return StudyFigure(
        f"curve-{attack}", lambda ax: _plot_curves(attack, cells, ax),
        f"{title}: orange is the backdoored model, blue the clean one; dashed with the trigger. The dotted line is mean σ½.",
        f"Mean W against noise strength for {title}, without and with the trigger, on both models", height=3.4,
    )  # fmt: skip


def _plot_curves(attack: str, cells: Sequence[CellRecord], ax: Axes) -> None:
    own = [c for c in cells if c.cell["attack"] == attack and "curves" in c.values]
    strengths = _shared(own)
    for key in own[0].values["curves"]:
        lines = [dict(zip(c.values["strengths"], c.values["curves"][key], strict=True)) for c in own]
        model, kind = key.split("/")
        ax.plot(
            strengths, [np.mean([line[s] for line in lines]) for s in strengths], linewidth=2, marker="o", markersize=3,
            color=COLOURS["backdoored" if model == "suspect" else "clean"], linestyle="--" if kind == "triggered" else "-",
        )  # fmt: skip
    ax.axvline(float(np.mean([c.values["sigma_half"] for c in own])), color=INK, linewidth=1, linestyle=":")
    ax.set_xscale("log")
    ax.set_xticks(strengths, [f"{s:g}" for s in strengths])
    ax.minorticks_off()
    ax.set_ylim(bottom=0)
    bare_axes(ax, xlabel="strength σ of the noise", ylabel="mean W")


def _plain(a: AttackRow) -> dict[str, Any]:
    return {**asdict(a), "verdict": a.verdict}


def _flat(a: AttackRow) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in _plain(a).items():
        if isinstance(value, dict):
            flat |= {key: value["value"], f"{key}_lower": value["lower"], f"{key}_upper": value["upper"]}
        else:
            flat[key] = value
    return flat
