"""The report of `study cleansing`: attack success and accuracy of models that are retrained on the cleansed training sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from doldrum.records.clusters import LEAST_SILHOUETTE, MOST_SHARE
from doldrum.records.study import CellRecord, StudyRecords
from doldrum.report.figures import COLOURS, INK, bare_axes
from doldrum.report.studies.models import title_of
from doldrum.report.studies.parts import Section, StudyFigure, StudyPage, StudyTable
from doldrum.report.words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["BROKEN", "METHODS", "arm_rows", "page"]  # fmt: skip

METHODS = ("profile", "ranking", "spectral", "clustering")
BROKEN = 0.2
"""An attack counts as broken if less than this share of the triggered images get the attacker's label."""
_TITLES = {
    "none": "not cleansed", "profile": "profile", "ranking": "profile, no clean images", "spectral": "spectral signatures",
    "clustering": "activation clustering", "known": "all poison dropped",
}  # fmt: skip
_CLEAN = "clean"


def arm_rows(cells: Sequence[CellRecord]) -> list[dict[str, Any]]:
    """One row per attacked model and arm (method to choose the dropped samples).

    A row has the attack, the seed, the arm, the dropped shares of the poison and of the clean samples, accuracy, ASR and AUROC.
    """
    rows = []
    for cell in cells:
        v = cell.values
        clean = v["samples"] - v["poisoned"] - v["cover"]
        for arm in v["arms"]:
            dropped_clean = arm["dropped"] - arm["dropped_poison"] - arm["dropped_cover"]
            rows.append({
                "attack": str(cell.cell["attack"]), "seed": int(cell.cell["seed"]), "arm": arm["arm"], "dropped": arm["dropped"],
                "poison_dropped": arm["dropped_poison"] / v["poisoned"] if v["poisoned"] else None,
                "clean_dropped": dropped_clean / clean, "clean_accuracy": arm["clean_accuracy"], "asr": arm["asr"], "auroc": arm["auroc"],
            })  # fmt: skip
    return rows


def page(records: StudyRecords) -> StudyPage:
    """Make the page of the study; every number on it is computed from the records."""
    rows = arm_rows(records.cells)
    attacks = list(dict.fromkeys(r["attack"] for r in rows if r["attack"] != _CLEAN))
    sums = {arm: _summary(rows, arm) for arm in _TITLES}
    return StudyPage(
        title="how much of a backdoor is left after the training set is cleansed and the model retrained",
        headline=_headline(sums),
        lede=_lede(records.cells, rows, sums),
        sections=[
            _success(rows, attacks),
            _dropped(rows, attacks),
            _false(records.cells),
            *([_clean(rows)] if any(r["attack"] == _CLEAN for r in rows) else []),
            _clusters(records.cells),
        ],
        numbers={"arms": {arm: found for arm, found in sums.items() if found["attacks"]}, "broken_below": BROKEN},
        csv={"arms": rows},
    )


def _summary(rows: Sequence[Mapping[str, Any]], arm: str) -> dict[str, Any]:
    """Means over attacks of the means over each attack's seeds, and the number of models whose backdoor is broken."""
    mine = [r for r in rows if r["arm"] == arm and r["asr"] is not None]
    by = {a: [r for r in mine if r["attack"] == a] for a in dict.fromkeys(r["attack"] for r in mine)}

    def mean(name: str) -> float | None:
        values = [float(np.mean([r[name] for r in found])) for found in by.values()]
        return float(np.mean(values)) if values else None

    return {
        "attacks": len(by), "models": len(mine), "broken": sum(r["asr"] < BROKEN for r in mine), "asr": mean("asr"),
        "clean_accuracy": mean("clean_accuracy"), "poison_dropped": mean("poison_dropped"), "clean_dropped": mean("clean_dropped"),
    }  # fmt: skip


def _headline(sums: Mapping[str, Mapping[str, Any]]) -> str:
    if not sums["none"]["models"]:
        return "No attack was cleansed"
    ours = sums["profile"]
    rest = [f"{_TITLES[m]} {sums[m]['broken']}" for m in ("spectral", "clustering")]
    return f"Retraining without the samples dropped by the smoothness profile breaks {ours['broken']} of {ours['models']} backdoors ({', '.join(rest)})"


def _lede(
    cells: Sequence[CellRecord], rows: Sequence[Mapping[str, Any]], sums: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    first = cells[0]
    seeds = sorted({int(c.cell["seed"]) for c in cells})
    none = sums["none"]
    texts = [
        f"The study has {none['models']} models, backdoored with {none['attacks']} attacks and trained with {'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}. Each model is trained on {first.values['samples']:,} images, of which "
        f"{float(first.cell['rate']):.0%} are poisoned. To choose the samples to drop, each method uses the model that was trained on the poisoned set. Then a new model is trained on the remaining samples, with the same recipe and seed. A backdoor counts as broken if its ASR is below {BROKEN:.0%}.",
    ]
    if none["models"]:
        texts.append(
            "The mean ASRs are: "
            + ", ".join(f"{_TITLES[a]} {percent(s['asr'])}" for a, s in sums.items() if s["models"])
            + ". "
            "The mean clean accuracies are: "
            + ", ".join(f"{_TITLES[a]} {percent(s['clean_accuracy'])}" for a, s in sums.items() if s["models"])
            + ". The mean shares of the poison and of the clean samples that were dropped are: "
            + ", ".join(
                f"{_TITLES[m]} {percent(sums[m]['poison_dropped'])} and {percent(sums[m]['clean_dropped'])}"
                for m in METHODS
            )
            + "."
        )
        kept = [
            title_of(r["attack"]) for r in rows if r["arm"] == "profile" and r["asr"] is not None and r["asr"] >= BROKEN
        ]
        if kept:
            texts.append(
                f"After cleansing with the smoothness profile, these backdoors still work: {', '.join(dict.fromkeys(kept))}."
            )
    return [*texts, _calibration_sentence(cells)]


def _calibration_sentence(cells: Sequence[CellRecord]) -> str:
    level = list(cells[0].values["levels"]).index(0.05)
    held, trained = (np.mean([c.values["false"][part][level] for c in cells]) for part in ("held_out", "training"))
    accuracy = np.mean([c.values["training_accuracy"] for c in cells])
    return (
        f"The smoothness profile was calibrated to flag 5% of clean images that the model was not trained on. The smoothness profile flags {percent(float(held))} of "
        f"clean images that were used neither for training nor for calibration, and {percent(float(trained))} of the clean samples of the training sets. The models classify {percent(float(accuracy))} of the clean training samples correctly."
    )  # fmt: skip


def _success(rows: Sequence[Mapping[str, Any]], attacks: Sequence[str]) -> Section:
    return Section(
        "Attack success after retraining",
        (
            "“All poison dropped” is possible only if it is known which samples are poisoned. The ASR for “all poison dropped” shows how often the trigger works on a model that never learned the trigger. The ASR of the all-to-all attack cannot exceed the clean accuracy.",
        ),
        [
            StudyFigure("asr", lambda ax: _plot(rows, attacks, ax), "The figure shows mean attack success rates over seeds.",
                        "Attack success rate after retraining, by attack and method", height=0.9 + 0.55 * max(len(attacks), 2)),
        ],
        [
            _table("Attack success rate, as a mean over seeds", rows, attacks, "asr", list(_TITLES)),
            _table("Clean accuracy, as a mean over seeds", rows, attacks, "clean_accuracy", list(_TITLES)),
        ],
    )  # fmt: skip


def _dropped(rows: Sequence[Mapping[str, Any]], attacks: Sequence[str]) -> Section:
    return Section(
        "What was dropped",
        (
            "The smoothness profile drops the samples that it flags at its promised false-positive rate. Without clean images, the smoothness profile drops a share of 1.5 times the poison rate of the "
            "set. Spectral signatures drop the same share from every class: 1.5 times the largest true share of poison in any class. So if one class has all the poison, spectral signatures drop half of the set or more. Cover samples carry the trigger and keep their own label. Cover samples are counted neither as poison nor as clean. AUROC says how well the scores separate poison from clean samples over all classes.",
        ),
        (),
        [
            _table("Share of the poisoned samples that were dropped", rows, attacks, "poison_dropped", list(METHODS)),
            _table("Share of the clean samples that were dropped", rows, attacks, "clean_dropped", list(METHODS)),
            _table("AUROC", rows, attacks, "auroc", ["profile", "ranking", "spectral"], plain=True),
        ],
    )


def _false(cells: Sequence[CellRecord]) -> Section:
    levels = [float(x) for x in cells[0].values["levels"]]
    table = [
        [_title(str(c.cell["attack"])), str(c.cell["seed"]),
         *(percent(c.values["false"][part][i]) for i in range(len(levels)) for part in ("held_out", "training")),
         *(percent(c.values["found"][i]) if c.values["found"] else "–" for i in range(len(levels)))]
        for c in cells
    ]  # fmt: skip
    head = [f"{x:.0%}: {what}" for x in levels for what in ("held-out", "trained on")]
    return Section(
        "Does a promised rate of false alarms hold for training samples too?",
        (
            "The calibration inputs are clean images that the model was not trained on, and the promised false-positive rate holds for such images. The model may have memorised the clean samples of the training "
            "set, so the promised rate may not hold for these samples.",
        ),
        (),
        [
            StudyTable(
                "Shares of clean images flagged and of poisoned samples found, at each promised rate",
                ["attack", "seed", *head, *(f"{x:.0%}: found" for x in levels)],
                table,
            )
        ],
    )


def _clean(rows: Sequence[Mapping[str, Any]]) -> Section:
    mine = [r for r in rows if r["attack"] == _CLEAN]
    return Section(
        "What cleansing costs if the training set is clean",
        (),
        (),
        [
            StudyTable(
                "A set without poison",
                ["", "samples dropped", "clean accuracy"],
                [
                    [_TITLES[arm], percent(_mean(r["clean_dropped"] for r in found)), percent(_mean(r["clean_accuracy"] for r in found))]
                    for arm in ("none", *METHODS)
                    if (found := [r for r in mine if r["arm"] == arm])
                ],
            )
        ],
    )  # fmt: skip


def _clusters(cells: Sequence[CellRecord]) -> Section:
    rows = []
    for c in cells:
        found = c.values["clusters"]
        target = next((x for x in found if x["label"] == c.values["target"]), found[0])
        rows.append([
            title_of(str(c.cell["attack"])), str(c.cell["seed"]), percent(target["share"]), f"{target['silhouette']:.3f}",
            "dropped" if target["dropped"] else "kept", str(sum(x["dropped"] for x in found if x is not target)),
        ])  # fmt: skip
    return Section(
        "Clusters of the attacker’s class",
        (
            f"The samples of each class are divided into two clusters. The smaller cluster is dropped if it has less than {MOST_SHARE:.0%} of the samples and the silhouette score is above "
            f"{LEAST_SILHOUETTE:.2f}. So a cluster of poison is kept if more than {MOST_SHARE:.0%} of the class is poison.",
        ),
        (),
        [
            StudyTable(
                "Activation clustering",
                [
                    "attack",
                    "seed",
                    "share of the smaller cluster",
                    "silhouette",
                    "it was",
                    "other classes with a dropped cluster",
                ],
                rows,
            )
        ],
    )


def _table(
    caption: str, rows: Sequence[Mapping[str, Any]], attacks: Sequence[str], name: str, arms: Sequence[str], *, plain: bool = False
) -> StudyTable:  # fmt: skip
    def cell(attack: str, arm: str) -> str:
        values = [r[name] for r in rows if r["attack"] == attack and r["arm"] == arm and r[name] is not None]
        if not values:
            return "–"
        return f"{_mean(values):.3f}" if plain else percent(_mean(values))

    return StudyTable(
        caption,
        ["attack", *(_TITLES[a] for a in arms)],
        [[title_of(a), *(cell(a, arm) for arm in arms)] for a in attacks],
    )


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))


def _title(attack: str) -> str:
    return "none (a clean set)" if attack == _CLEAN else title_of(attack)


def _plot(rows: Sequence[Mapping[str, Any]], attacks: Sequence[str], ax: Axes) -> None:
    marks = {"none": "x", "profile": "o", "ranking": "s", "spectral": "^", "clustering": "D", "known": "|"}
    for arm, mark in marks.items():
        points = [
            (_mean(v), -i)
            for i, a in enumerate(attacks)
            if (v := [r["asr"] for r in rows if (r["attack"], r["arm"]) == (a, arm) and r["asr"] is not None])
        ]
        colour = (
            COLOURS["backdoored"]
            if arm in ("profile", "ranking")
            else INK
            if arm in ("none", "known")
            else COLOURS["clean"]
        )
        ax.plot([x for x, _ in points], [y for _, y in points], mark, color=colour, markersize=8, label=_TITLES[arm],
                fillstyle="none" if arm in ("ranking", "clustering") else "full")  # fmt: skip
    ax.set_yticks([-i for i in range(len(attacks))], [title_of(a) for a in attacks])
    ax.set_xlim(-0.03, 1.03)
    bare_axes(ax, xlabel="attack success rate after retraining")
    ax.legend(frameon=False, labelcolor=INK, fontsize=8, ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
