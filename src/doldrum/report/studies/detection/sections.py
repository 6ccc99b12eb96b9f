"""The sections of study detection's report about detectors, attacks, evasion and false alarms."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from doldrum.records.study import CellRecord
from doldrum.report.studies.detection.models import grouped
from doldrum.report.studies.detection.plots import plot_cost, plot_heat, plot_roc
from doldrum.report.studies.detection.rows import (
    ADAPTIVE,
    CLEAN,
    DEVELOPMENT,
    EQUAL,
    HELD_OUT,
    DetectionRow,
    Summary,
    at_budget,
    attack_of,
    detector_title,
    group_of,
    mean_over_attacks,
)
from doldrum.report.studies.models import TITLES as ATTACKS
from doldrum.report.studies.parts import Section, StudyFigure, StudyTable
from doldrum.report.words import percent
from doldrum.stats.proportions import Interval

__all__ = [
    "OURS",
    "adaptive_section",
    "attack_title",
    "attacks_section",
    "by_attack",
    "false_section",
    "refused_section",
    "table_section",
    "three",
    "two",
]

OURS = "profile"


def table_section(
    equal: Sequence[Summary], paper: Sequence[Summary], rows: Sequence[DetectionRow], rate: float
) -> Section:
    cut = {s.detector for s in paper if s.forwards > 64}
    longer = [s for s in paper if s.detector in cut]
    both = [*equal, *longer]
    ours = " SmoothnessProfile is orange." if any(s.detector == OURS for s in equal) else ""
    return Section(
        "Detectors",
        (
            "For each model, all detectors are fitted, calibrated and tested on the same clean test images. No image is used for two purposes. Held-out attacks (BPP, ISSBA, Adap-Blend, input-aware, reflection, shear, sharpening) were not used for the design of SmoothnessProfile. Most development attacks, and LSBA, were used for the design, with other models and other splits of the test images.",
        ),
        [
            StudyFigure(
                "roc", lambda ax: plot_roc(_curves(rows, rate), ax),
                "The figure shows mean TPR over development attacks against the actual false-positive rate on all clean inputs. Thresholds are set by "
                f"calibration, and all detectors use at most 64 forward passes per input.{ours}",
                "ROC of every detector at low false-positive rates, on a log axis", height=4.6,
            ),
            StudyFigure(
                "cost", lambda ax: plot_cost(both, ax),
                "The figure shows processor time per input, on one thread, and mean TPR at 1% FPR over development attacks. The number of forward passes is in brackets. "
                "Diamonds show detectors with at most 64 forward passes, and dots show detectors with the number of forward passes in their papers.",
                "Processor time of every detector against its mean TPR", height=4.2,
            ),
        ],
        [
            _table("Detectors with at most 64 forward passes per input", equal),
            *([_table("Detectors whose papers use more than 64 forward passes, with the number of forward passes in their papers", longer)] if longer else []),
        ],
    )  # fmt: skip


def _table(caption: str, found: Sequence[Summary]) -> StudyTable:
    return StudyTable(
        caption + ". The table gives the TPR at 1% FPR, as a mean over attacks, for triggered inputs that get the attacker’s label. “All” is the TPR at 1% FPR over all triggered inputs of the development attacks. TPR at 5% FPR "
        "and AUROC are means over development attacks. The column “ms” is the median over models of the processor time on one thread, in milliseconds.",
        ["detector", "forward passes", "ms", "development", "all", "held out", "adaptive", "TPR at 5%", "AUROC", "lowest"],
        [
            [
                detector_title(s.detector), str(s.forwards), f"{s.milliseconds:.1f}", two(s.development), two(s.all_inputs), two(s.held_out),
                two(s.adaptive), two(s.tpr5), three(s.auroc), f"{attack_title(s.worst)} {two(s.worst_tpr)}" if s.worst else "–",
            ]
            for s in found
        ],
    )  # fmt: skip


def _curves(rows: Sequence[DetectionRow], rate: float) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    chosen = [r for r in at_budget(rows, EQUAL) if r.rate == rate]
    for name in dict.fromkeys(r.detector for r in chosen):
        mine = [r for r in chosen if r.detector == name]
        for at in range(len(mine[0].false)):
            if any(r.false[at] is None for r in mine):
                continue
            fpr = sum(r.false[at] or 0 for r in mine) / sum(r.clean for r in mine)
            tpr = mean_over_attacks(
                [r for r in mine if r.group == DEVELOPMENT],
                lambda r, at=at: (r.found[at] or 0) / r.hits if r.hits else math.nan,
            )
            found.setdefault(name, []).append((fpr, tpr))
    return found


def by_attack(rows: Sequence[DetectionRow], group: str | None, rate: float) -> dict[str, float]:
    """The mean TPR at 1% over the models of each attack. The attacks are in the order of `rows`."""
    mine = [r for r in rows if r.rate == rate and (r.group == group if group else r.group != CLEAN)]
    found = {
        a: mean_over_attacks([r for r in mine if r.attack == a], lambda r: r.tpr1)
        for a in dict.fromkeys(r.attack for r in mine)
    }
    return {a: v for a, v in found.items() if math.isfinite(v)}


def attacks_section(rows: Sequence[DetectionRow], cells: Sequence[CellRecord], rate: float) -> Section | None:
    equal = at_budget(rows, EQUAL)
    if all(r.group == CLEAN for r in equal):
        return None
    names = list(dict.fromkeys(r.detector for r in equal))
    order = {g: i for i, g in enumerate((DEVELOPMENT, HELD_OUT, ADAPTIVE))}
    kinds = sorted({(order[r.group], r.attack, -r.rate) for r in equal if r.group != CLEAN})
    by = {
        (n, each): by_attack([r for r in equal if r.detector == n], None, each)
        for n in names
        for each in {r.rate for r in equal}
    }
    grid = [[by[n, -own].get(a, math.nan) for n in names] for _, a, own in kinds]
    labels = [_marked(a, -own, rate) for _, a, own in kinds]
    models = [[c for c in cells if (attack_of(c.cell), c.cell["rate"]) == (a, -own)] for _, a, own in kinds]
    return Section(
        "Attack by attack",
        ("The figure and the table give the TPR at a promised 1% of false alarms, with at most 64 forward passes per input. These TPRs count only triggered inputs that get the attacker’s label. "
         "* marks attacks that were held out of the design of SmoothnessProfile. † marks attacks that were made to evade detection by smoothness.",),
        [
            StudyFigure(
                "heat", lambda ax: plot_heat(labels, [detector_title(n) for n in names], grid, ax),
                "A darker square means that more inputs are found. * marks held-out attacks, and † marks adaptive attacks.", "Heat map of TPR at 1% FPR, attacks by detectors",
                height=1.6 + 0.27 * len(kinds),
            )
        ],
        [
            StudyTable(
                "TPR at 1% FPR, as means over models",
                ["attack", "models", "ASR", *(detector_title(n) for n in names)],
                [
                    [label, str(len(of)), percent(float(np.mean([c.values["asr"] for c in of]))), *(two(v) for v in line)]
                    for label, of, line in zip(labels, models, grid, strict=True)
                ],
            )
        ],
    )  # fmt: skip


def adaptive_section(rows: Sequence[DetectionRow], cells: Sequence[CellRecord], rate: float) -> Section | None:
    plain = [c for c in cells if c.cell["rate"] == rate]
    attacks = [a for a in dict.fromkeys(attack_of(c.cell) for c in plain) if group_of(a) == ADAPTIVE]
    if not attacks:
        return None
    shown = [a for a in ("badnets", *attacks) if any(attack_of(c.cell) == a for c in plain)]
    clean = [c.values["clean_accuracy"] for c in cells if c.cell["attack"] == CLEAN]
    base = float(np.mean(clean)) if clean else math.nan
    equal = at_budget(rows, EQUAL)
    lines = []
    for a in shown:
        own = [c.values for c in plain if attack_of(c.cell) == a]
        mean = {k: float(np.mean([v[k] for v in own])) for k in ("clean_accuracy", "asr", "asr_noise", "asr_jpeg")}
        tpr = {
            n: by_attack([r for r in equal if r.detector == n], None, rate).get(a, math.nan)
            for n in dict.fromkeys(r.detector for r in equal)
        }
        best = max((n for n in tpr if math.isfinite(tpr[n])), key=lambda n: tpr[n], default="")
        lines.append([
            attack_title(a), percent(mean["clean_accuracy"]), _points(mean["clean_accuracy"] - base), percent(mean["asr"]),
            percent(mean["asr_noise"]), percent(mean["asr_jpeg"]), two(tpr.get(OURS, math.nan)),
            f"{detector_title(best)} {two(tpr[best])}" if best else "–",
        ])  # fmt: skip
    return Section(
        "What evasion costs the attacker",
        ("The table compares BadNets with attacks that were made to evade detection by smoothness. In the attack LSBA, some triggered training images keep their true label. In the attack anti-smoothing, some triggered training images are noisy "
         "and keep their true label. In the attack noise-hardened, noise is added to every training batch. In the attack profile-evading, the model is trained against the detector SmoothnessProfile. The ASR under Gaussian noise of strength .1 "
         "and under JPEG compression at severity 3 is measured on the model’s triggered inputs.",),
        (),
        [StudyTable(
            "Means over models" + (f". The mean accuracy of clean models is {percent(base)}" if clean else ""),
            ["attack", "clean accuracy", "change from clean", "ASR", "ASR under noise", "ASR under JPEG", "TPR of SmoothnessProfile", "best detector"],
            lines,
        )],
    )  # fmt: skip


def false_section(found: Sequence[Summary], rows: Sequence[DetectionRow]) -> Section:
    equal = at_budget(rows, EQUAL)
    clean = {s.detector: [r for r in equal if r.detector == s.detector and r.group == CLEAN] for s in found}

    def on_clean(s: Summary) -> str:
        mine = clean[s.detector]
        return f"{sum(r.false1 for r in mine)} of {sum(r.clean for r in mine)}" if mine else "–"

    return Section(
        "False alarms",
        ("The table gives the share of clean test inputs that are flagged, with an exact 95% interval over all models. All clean test inputs are counted. The exact interval does not account for the random choice of the calibration sets. “Kept” says for how many models the number of false alarms is inside the 95% interval (beta-binomial) that the promise allows. The beta-binomial interval accounts for the random choice of the calibration sets.",),
        (),
        [StudyTable(
            "Actual false-positive rates",
            ["detector", "promised 1%", "kept", "promised 5%", "kept", "on clean models at 1%"],
            [
                [detector_title(s.detector), _rate(s.fpr1), f"{s.kept1} of {s.models}", _rate(s.fpr5), f"{s.kept5} of {s.models}", on_clean(s)]
                for s in found
            ],
        )],
    )  # fmt: skip


def _rate(i: Interval) -> str:
    return f"{percent(i.value)} [{percent(i.lower)}, {percent(i.upper)}]"


def _marked(attack: str, rate: float, usual: float) -> str:
    mark = {HELD_OUT: "*", ADAPTIVE: "†"}.get(group_of(attack), "")
    return attack_title(attack) + mark + ("" if rate == usual else f", {100 * rate:.3g}% poison")


def attack_title(attack: str) -> str:
    name, changed, settings = attack.partition(" (")
    return "clean model" if attack == CLEAN else ATTACKS.get(name, name) + changed + settings


def _points(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{100 * value:+.1f} points".replace("-", "−")


def two(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{value:.2f}"


def three(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{value:.3f}"


def refused_section(cells: Sequence[CellRecord]) -> Section | None:
    """A table of the models that a detector could not be fitted to, with the reasons."""
    lines = [
        [detector_title(name), models.name, f"{attack_title(attack_of(c.cell))}, seed {c.cell['seed']}", reason]
        for models, own in grouped(cells).items()
        for c in own
        for name, reason in c.values["refused"].items()
    ]
    if not lines:
        return None
    text = "The table lists the models to which a detector could not be fitted. The means of a detector are over the other models, to which it could be fitted."
    head = ["detector", "data set and recipe", "model", "reason"]
    return Section(
        "Detectors that refused a model", (text,), (), [StudyTable("Detectors that refused a model", head, lines)]
    )
