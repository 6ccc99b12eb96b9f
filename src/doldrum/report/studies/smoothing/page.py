"""The report of `study smoothing`: for each attack, a verdict over its models whether the trigger makes them smoother."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from doldrum.records.study import StudyRecords
from doldrum.report.figures import COLOURS, INK, bare_axes, name_rows
from doldrum.report.studies.models import ModelRow, model_rows, title_of
from doldrum.report.studies.parts import Section, StudyFigure, StudyPage, StudyTable
from doldrum.report.studies.smoothing.curves import curve_figure, strength_sentence, strength_table
from doldrum.report.studies.smoothing.rows import FEWEST, FEWEST_OTHERS, HEADLINE, PLANNED, AttackRow, attack_rows
from doldrum.report.words import between, counted, listed, number, percent, span, spoken, taken_away

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["page"]


def page(records: StudyRecords) -> StudyPage:
    """Make the page of the study; every number on it is computed from the records."""
    rows = model_rows(records.cells)
    attacks = attack_rows(rows)
    head = [a for a in attacks if a.attack in HEADLINE or a.p_holm is not None]
    rest = [a for a in attacks if a not in head]
    sections = [
        Section(
            "Effect of the trigger, model by model",
            (
                "For each model, W was measured for the same inputs without and with the trigger, under the same noise, at the clean model’s "
                "σ½. The effect is how much W falls with the trigger on the backdoored model, minus how much it falls on the clean model of the same seed. An effect above 0 means that the trigger makes the model smoother. The p-values and verdicts are corrected for the number of "
                "attacks. The intervals are not corrected for the number of attacks.",
            ),
            [
                StudyFigure(
                    "effects", lambda ax: _plot_effects(rows, attacks, ax),
                    "Each dot is a trained model. The diamond is the mean over models, with its 95% t interval. Wide intervals mean few "
                    "models.",
                    "Effect of the trigger on W for each attack, one dot per model", height=1.2 + 0.38 * len(attacks),
                )
            ],
            [t for t in (_table("Tested attacks", head), _table("Other attacks, which are not tested, and the control", rest)) if t.rows],
        ),
        Section(
            "All strengths of the noise",
            (
                "The figures show mean W against the strength of the noise, averaged over the models of an attack. With strong noise the effect may reverse, because noise destroys the trigger before it destroys the image.",
            ),
            [curve_figure(a.attack, records.cells) for a in (head or attacks)],
            [strength_table(attacks, records.cells)],
        ),
        Section(
            "Other ways to measure the effect",
            (
                "An input “hits” if it gets the attacker’s label with the trigger. “Soft W” is the entropy of the mean "
                "class probabilities, while W is the entropy of the label counts. The last column compares triggered inputs with clean inputs of the target class. In the last column, a value above 0 means that triggered inputs have a lower W than these clean inputs.",
            ),
            (),
            [_more_table(attacks)],
        ),
    ]  # fmt: skip
    return StudyPage(
        title="is the model smoother around inputs with the trigger?",
        headline=_headline(head),
        lede=[*_lede(head, rest, rows), *filter(None, [strength_sentence(head or attacks, records.cells)])],
        sections=sections,
        numbers={"attacks": [a.to_dict() for a in attacks], "models": len(rows), "inputs": sum(r.inputs for r in rows)},
        csv={"models": [r.to_dict() for r in rows], "attacks": [_flat(a) for a in attacks]},
    )


def _headline(attacks: Sequence[AttackRow]) -> str:
    if not attacks:
        return "No attack has enough models for a test"
    yes = sum(a.verdict == "smooths" for a in attacks)
    if yes == len(attacks):
        return (
            f"The trigger makes the model smoother for all {yes} attacks"
            if yes > 1
            else "The trigger makes the model smoother"
        )
    return (
        f"The trigger makes the model smoother for {yes} of {len(attacks)} attacks"
        if yes
        else "The results do not show for any attack that the trigger makes the model smoother"
    )


def _lede(attacks: Sequence[AttackRow], rest: Sequence[AttackRow], rows: Sequence[ModelRow]) -> list[str]:
    parts = {v: [a for a in attacks if a.verdict == v] for v in ("smooths", "roughens", "not shown", "too few models")}
    texts = []
    if parts["smooths"]:
        texts.append(f"The trigger makes the model smoother for {listed([_named(a) for a in parts['smooths']])}.")
    if parts["roughens"]:
        texts.append(f"The trigger makes the model less smooth for {listed([_named(a) for a in parts['roughens']])}.")
    if parts["not shown"]:
        texts.append(f"No effect is shown for {listed([_named(a) for a in parts['not shown']])}.")
    if parts["too few models"]:
        names = listed([_named(a) for a in parts["too few models"]])
        texts.append(f"There are fewer than {FEWEST} models, too few for a verdict, for {names}.")
    if not attacks:
        texts.append(
            f"There is no verdict, because there are too few models: attacks with a planned test need {FEWEST} models, and all other attacks need {FEWEST_OTHERS} models."
        )
    else:
        texts.append(
            "The numbers in brackets say by how much the backdoor lowers mean W, with 95% intervals over models. Verdicts "
            f"are at the 5% level. The p-values of these verdicts are Holm-corrected for {counted(attacks[0].tests, 'test')}."
        )
    lede = [
        "This study tests whether smoothness increases when the trigger is added. "
        + " ".join(texts)
        + f" {counted(len(rows), 'model')} {'was' if len(rows) == 1 else 'were'} compared with the clean model of the same seed, on "
        f"{between(r.inputs for r in rows)} inputs each."
    ]
    few = [title_of(a.attack) for a in attacks if a.attack in HEADLINE and a.models < PLANNED]
    if few:
        lede.append(f"The verdicts are provisional for {listed(few)}, with fewer than {PLANNED} models so far.")
    clean = [a for a in rest if a.attack == "clean"]
    if clean:
        lede.append(
            f"As a control, two clean models were compared in the same way, which should show no effect. The mean effect is {spoken(clean[0].effect)} "
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
        "on the clean model",
    ]
    return StudyTable(
        caption + ". The effect is a difference in differences of mean W at σ½. P(smoother) is the probability that an input has a lower W with the trigger "
        "than without it, on the backdoored model. The last column gives P(smoother) on the clean model. A probability of one half means no difference.",
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
            "effect, soft W",
            "smoother than the target class",
        ],
        [
            [title_of(a.attack), span(a.effect), span(a.effect_hit), span(a.effect_soft), span(a.calmer_than_class)]
            for a in attacks
        ],
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
    bare_axes(ax, xlabel="effect on W at σ½ (above 0: smoother with the trigger)")


def _flat(a: AttackRow) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in a.to_dict().items():
        if isinstance(value, dict):
            flat |= {key: value["value"], f"{key}_lower": value["lower"], f"{key}_upper": value["upper"]}
        else:
            flat[key] = value
    return flat
