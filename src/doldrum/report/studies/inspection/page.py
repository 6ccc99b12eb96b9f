"""The report of `study inspection`: how well backdoored models are distinguished from clean ones, and whether the promise is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from doldrum.records.study import StudyRecords
from doldrum.report.figures import COLOURS, INK, bare_axes
from doldrum.report.studies.inspection.judged import ALL, CONTROL, LEVEL, Judged, Model, as_rows, models_of
from doldrum.report.studies.inspection.summary import (
    CLASSIC,
    ONE_TRIGGER,
    Summary,
    cross_entropy,
    is_development,
    judge_all,
    numbers_of,
    summary_of,
)
from doldrum.report.studies.models import title_of
from doldrum.report.studies.parts import Section, StudyFigure, StudyPage, StudyTable
from doldrum.report.words import counted, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["page"]

_TITLES = {ALL: "the verdict", CLASSIC: "Neural Cleanse, published rule"}


def page(records: StudyRecords) -> StudyPage:
    """Make the page of the study; every number on it is computed from the records."""
    models = models_of(records.cells)
    found = judge_all(models)
    development = {by: [j for j in js if is_development(j.model)] for by, js in found.items()}
    test = {by: [j for j in js if not is_development(j.model)] for by, js in found.items()}
    attacks = list(dict.fromkeys(m.attack for m in models if not m.clean and m.attack != CONTROL))
    references = max(
        (sum(m.reference and m.network == n for m in models) for n in {m.network for m in models}), default=0
    )
    sums = {by: _sums(by, js, attacks, references) for by, js in test.items()}
    entropies = {
        by: cross_entropy([j for j in js if j.model.attack != CONTROL], development=development[by])
        for by, js in test.items()
        if by != CLASSIC
    }
    return StudyPage(
        title="is the model backdoored?",
        headline=_headline(sums),
        lede=_lede(models, sums, entropies, references),
        sections=[
            _verdicts(test[ALL], attacks),
            *([_control(controls)] if (controls := [j for j in test[ALL] if j.model.attack == CONTROL]) else []),
            _inspectors(sums, entropies),
            *(
                [_developed({by: _sums(by, js, attacks, references) for by, js in development.items()})]
                if development[ALL]
                else []
            ),
            _every(found[ALL]),
        ],
        numbers={
            "references": references,
            "inspectors": {
                by: {
                    **{kind: numbers_of(s) for kind, s in both.items()},
                    "cross_entropy": _plain(entropies.get(by, math.nan)),
                }
                for by, both in sums.items()
            },
        },
        csv={"models": [row for js in found.values() for row in as_rows(js)]},
    )


def _sums(by: str, found: Sequence[Judged], attacks: Sequence[str], references: int) -> dict[str, Summary]:
    """Two summaries of the results: over all attacks, and over only the attacks that have a single target class and a
    single trigger."""
    return {
        "all": summary_of(by, found, attacks, references),
        "one trigger": summary_of(by, found, [a for a in attacks if a in ONE_TRIGGER], references),
    }


def _headline(sums: Mapping[str, Mapping[str, Summary]]) -> str:
    ours = sums[ALL]["all"]
    if not ours.models or not ours.clean:
        return "There are too few models to say how well backdoored models are found"
    return (
        f"The verdict finds {round(ours.tpr * ours.models)} of {counted(ours.models, 'backdoored model')}, and flags {ours.alarms} of "
        f"{ours.clean} clean models"
    )


def _lede(
    models: Sequence[Model], sums: Mapping[str, Mapping[str, Summary]], entropies: Mapping[str, float], references: int
) -> list[str]:
    ours, one = sums[ALL]["all"], sums[ALL]["one trigger"]
    texts = [
        f"The study has {counted(len(models), 'model')}, of which {sum(m.reference for m in models)} are clean reference models. Each model that is not a reference model is compared with the reference models that have the same network. The promised "
        f"rate of false alarms is {LEVEL:.0%} of clean models. The figures here leave out the development models, because the inspectors were designed on them. The results for the development models are in a separate section.",
    ]
    if ours.models and ours.clean:
        texts.append(
            f"Of the {ours.models} backdoored models, {percent(ours.tpr)} are flagged, with an AUROC of {number(ours.auroc, 2)}. Of the {one.models} models with one target class and one "
            f"trigger, {percent(one.tpr)} are flagged, with an AUROC of {number(one.auroc, 2)}. In {percent(one.target.value)} of these flagged models, the verdict names the attacker's target class. "
            f"{ours.alarms} of {ours.clean} clean models are flagged"
            + (
                f". The promised rate allows {ours.promised[0]} to {ours.promised[1]} flagged clean models (95% interval)."
                if ours.promised
                else "."
            )
        )
        if math.isfinite(entropies[ALL]):
            texts.append(
                f"The score of the verdict was converted to a probability, calibrated on the development models. The cross-entropy of this probability of a backdoor is {number(entropies[ALL], 2)}. For comparison, a constant probability of one half has a cross-entropy of .69, and the goal of NIST's TrojAI is a cross-entropy of .3465."
            )
    if CLASSIC in sums and sums[CLASSIC]["all"].clean:
        classic = sums[CLASSIC]["all"]
        texts.append(
            f"By its published rule (anomaly index above 2), Neural Cleanse flags {classic.alarms} of {classic.clean} clean models, and {percent(classic.tpr)} of the backdoored models."
        )
    if references < 19:
        texts.append(
            f"The results are provisional: there are only {references} reference models per network, and at least 19 are needed."
        )
    return texts


def _verdicts(found: Sequence[Judged], attacks: Sequence[str]) -> Section:
    rows = []
    for attack in attacks:
        mine = [j for j in found if j.model.attack == attack]
        if not mine:
            continue
        flagged = [j for j in mine if j.p <= LEVEL]
        right = sum(j.points_to == j.model.target for j in flagged)
        success = [j.model.success[j.most] for j in flagged if j.most in j.model.success]
        rows.append([
            title_of(attack), str(len(mine)), percent(float(np.mean([j.model.asr for j in mine]))), str(len(flagged)), str(sum(j.shown for j in mine)),
            f"{right} of {len(flagged)}", percent(float(np.mean(success))) if success else "–",
            ", ".join(dict.fromkeys(j.most[0] for j in flagged)) or "–",
        ])  # fmt: skip
    return Section(
        "The verdict, attack by attack",
        ("Each dot is a model. A dot further to the right means that the model differs more from the reference models, in standard deviations of the reference models.",),
        [StudyFigure("standing", lambda ax: _dots(found, attacks, ax), "The figure leaves out the development models.",
                     "Distance of every model from the reference models, attack by attack", 5.4)],
        [StudyTable("Models that are flagged at the promised rate, and the triggers that were recovered",
                    ["attack", "models", "ASR", "flagged", "backdoor shown", "class right", "success of the found trigger", "found by"], rows)],
    )  # fmt: skip


def _control(found: Sequence[Judged]) -> Section:
    flagged, shown = [j for j in found if j.p <= LEVEL], [j for j in found if j.shown]
    return Section(
        "Models with wrong labels, but without a trigger",
        (
            f"{counted(len(found), 'model')} had wrong labels in the training data: as many labels were changed to one class as in an attack, but no image got a trigger. Of the models with wrong labels, {len(flagged)} "
            f"are suspicious. A suspicious model differs from the reference models: smaller changes to an image are enough to make it predict the class of the wrong labels. A backdoor is shown only if the trigger that was found is also much smaller than in the reference models. A backdoor is shown in {len(shown)} of the models with wrong labels.",
        ),
        tables=[StudyTable("Every such model", ["network", "seed", "class", "distance from the reference models", "p", "trigger: times smaller", "backdoor shown"],
                           [[j.model.network, str(j.model.seed), str(j.model.target), number(j.score, 1), number(j.p, 2), number(j.smaller, 1), "yes" if j.shown else "no"]
                            for j in found])],
    )  # fmt: skip


def _dots(found: Sequence[Judged], attacks: Sequence[str], ax: Axes) -> None:
    names = ["clean", *[a for a in attacks if any(j.model.attack == a for j in found)]]
    for y, attack in enumerate(reversed(names)):
        mine = [j for j in found if j.model.attack == attack]
        colour = COLOURS["clean"] if attack == "clean" else COLOURS["backdoored"]
        ax.plot([max(j.score, 0.1) for j in mine], [y] * len(mine), "o", color=colour, alpha=0.7)
    bare_axes(ax, xlabel="distance from the reference models, in standard deviations (log scale)")
    ax.set_xscale("log")
    ax.set_yticks(range(len(names)), ["clean" if n == "clean" else title_of(n) for n in reversed(names)], color=INK)


def _table(sums: Mapping[str, Mapping[str, Summary]], entropies: Mapping[str, float], caption: str) -> StudyTable:
    rows = []
    for by, both in sums.items():
        every, one = both["all"], both["one trigger"]
        promised = f" ({every.promised[0]}–{every.promised[1]})" if every.promised else ""
        rows.append([
            _TITLES.get(by, by), number(every.auroc, 2), percent(every.tpr), number(one.auroc, 2), percent(one.tpr),
            f"{every.alarms} of {every.clean}{promised}", percent(one.target.value), percent(every.success),
            number(entropies.get(by, math.nan), 2), number(every.seconds, 0),
        ])  # fmt: skip
    head = [
        "",
        "AUROC",
        "flagged",
        "AUROC, one trigger",
        "flagged, one trigger",
        "clean flagged (promised, 95%)",
        "class right",
        "found trigger works",
        "cross-entropy",
        "seconds",
    ]
    return StudyTable(caption, head, rows)


def _inspectors(sums: Mapping[str, Mapping[str, Summary]], entropies: Mapping[str, float]) -> Section:
    return Section(
        "Each inspector separately",
        (
            "Each inspector is judged alone, with the same reference models and the same rule. The verdict combines the results of the inspectors.",
        ),
        tables=[_table(sums, entropies, "Models that were not used for the design")],
    )


def _developed(sums: Mapping[str, Mapping[str, Summary]]) -> Section:
    return Section(
        "Models that were used for the design",
        (
            "The inspectors and the verdict were designed on the development models. So the figures for the development models do not show how good the verdict is.",
        ),
        tables=[_table(sums, {}, "Development models")],
    )


def _every(found: Sequence[Judged]) -> Section:
    rows = [
        [j.model.network, title_of(j.model.attack) if not j.model.clean else "clean", str(j.model.seed), str(j.model.target), percent(j.model.asr),
         number(j.score, 1), number(j.p, 2), j.most[0], "any" if j.most[1] is None else str(j.most[1]),
         "another" if j.points_to is None else str(j.points_to)]
        for j in found
    ]  # fmt: skip
    head = ["network", "attack", "seed", "target", "ASR", "distance from the reference models", "p", "found by", "from", "to"]  # fmt: skip
    return Section("Every model", (), tables=[StudyTable("The verdict on every model", head, rows, folded=True)])


def _plain(value: float) -> float | None:
    return round(value, 5) if math.isfinite(value) else None
