"""Compute the rows and summaries for the tables of `study detection` from the study's records."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np

from doldrum.records import attacks
from doldrum.records.study import CellRecord
from doldrum.stats.conformal import flags_interval
from doldrum.stats.proportions import Interval, proportion

__all__ = [
    "ADAPTIVE", "CLEAN", "DEVELOPMENT", "EQUAL", "HELD_OUT", "PAPER", "DetectionRow", "Summary", "at_budget", "attack_of", "detection_rows",
    "detector_title", "group_of", "headline_rate", "mean_over_attacks", "summaries",
]  # fmt: skip

_TITLES = {
    "profile": "SmoothnessProfile", "max-softmax": "max softmax", "w": "W", "rpp": "RPP", "strip": "STRIP",
    "scale-up": "SCALE-UP", "teco": "TeCo", "frequency": "Frequency", "ibd-psc": "IBD-PSC", "psbd": "PSBD",
}  # fmt: skip
DEVELOPMENT, HELD_OUT, ADAPTIVE, CLEAN = "development", "held out", "adaptive", "clean"
PAPER, EQUAL = "paper", "equal"
_USUAL_RATE = 0.05
_interval = cache(flags_interval)  # thousands of rows have a handful of sizes


def detector_title(id: str) -> str:
    """The name of a detector on the page: the name in its paper if this file has it, else its id.

    >>> detector_title("scale-up"), detector_title("of-your-own")
    ('SCALE-UP', 'of-your-own')
    """
    return _TITLES.get(id, id)


@dataclass(frozen=True)
class DetectionRow:
    """The results of one detector, at one budget of forward passes, on one attacked model.

    A triggered input is a hit if it gets the attacker's label. `tpr1` and `tpr5` are the shares of the hits that are
    flagged at promised false-positive rates of 1% and 5%. A share is NaN if there are no hits, or too few calibration
    inputs. `tpr1_all` and `tpr5_all` are the shares of all triggered inputs that are flagged. `clean` is the number of
    clean test inputs, and `false1` and `false5` are the numbers of flagged clean test inputs.
    """

    attack: str
    rate: float
    seed: int
    group: str
    detector: str
    budget: str
    forwards: int
    milliseconds: float
    calibration: int
    clean: int
    hits: int
    triggered: int
    tpr1: float
    tpr5: float
    tpr1_all: float
    tpr5_all: float
    auroc: float
    auroc_all: float
    false1: int
    false5: int
    false: tuple[int | None, ...]
    found: tuple[int | None, ...]

    def to_dict(self) -> dict[str, Any]:
        text = {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()}
        return {k: v for k, v in text.items() if k not in ("false", "found")}


def group_of(attack: str) -> str:
    """The group of an attack: used to design SmoothnessProfile (development), held out of its design, adaptive, or clean.

    >>> group_of("badnets"), group_of("bpp"), group_of("shear"), group_of("lsba"), group_of("clean")
    ('development', 'held out', 'held out', 'adaptive', 'clean')
    """
    attack = attack.partition(" (")[0]
    if attack == CLEAN:
        return CLEAN
    if attack in attacks.KEPT_OUT:
        return HELD_OUT
    return ADAPTIVE if attack in (*attacks.ADAPTIVE, *attacks.EVADING) else DEVELOPMENT


def attack_of(cell: Mapping[str, Any]) -> str:
    """The name of a cell's attack. If the attack has changed settings, the name includes these settings, so that it
    counts as a separate attack.

    >>> attack_of({"attack": "badnets", "settings": {}}), attack_of({"attack": "badnets", "settings": {"size": 2}})
    ('badnets', 'badnets (size 2)')
    """
    changed = ", ".join(f"{k} {v}" for k, v in cell.get("settings", {}).items())
    return f"{cell['attack']} ({changed})" if changed and cell["attack"] != CLEAN else str(cell["attack"])


def headline_rate(cells: Iterable[CellRecord]) -> float:
    """The poison rate for which means are computed: 5%, or the most frequent poison rate if no attacked model has
    5%."""
    rates = Counter(float(c.cell["rate"]) for c in cells if c.cell["attack"] != CLEAN)
    return _USUAL_RATE if _USUAL_RATE in rates or not rates else rates.most_common(1)[0][0]


def detection_rows(cells: Iterable[CellRecord]) -> list[DetectionRow]:
    """One row per attacked model, detector and budget of forward passes.

    Cells with `stress` are left out, because their models are also measured by other cells.
    """
    return [_row(c, d) for c in cells if not c.cell.get("stress") for d in c.values["detectors"]]


def _row(record: CellRecord, d: Any) -> DetectionRow:
    v, attack = record.values, attack_of(record.cell)
    one, five = (v["levels"].index(level) for level in (0.01, 0.05))
    sizes = v["sizes"]

    def share(counts: Sequence[int | None], at: int, of: int) -> float:
        found = counts[at]
        return math.nan if found is None or not of else found / of

    return DetectionRow(
        attack=attack, rate=float(record.cell["rate"]), seed=int(record.cell["seed"]), group=group_of(attack),
        detector=d["detector"], budget=d["budget"], forwards=int(d["forwards"]), milliseconds=float(d["milliseconds"]),
        calibration=sizes["calibration"], clean=d["clean"], hits=v["hits"], triggered=sizes["triggered"],
        tpr1=share(d["found_hits"], one, v["hits"]), tpr5=share(d["found_hits"], five, v["hits"]),
        tpr1_all=share(d["found"], one, sizes["triggered"]), tpr5_all=share(d["found"], five, sizes["triggered"]),
        auroc=math.nan if d["auroc_hits"] is None else d["auroc_hits"], auroc_all=d["auroc"],
        false1=d["false"][one], false5=d["false"][five], false=tuple(d["false"]), found=tuple(d["found_hits"]),
    )  # fmt: skip


def at_budget(rows: Sequence[DetectionRow], budget: str) -> list[DetectionRow]:
    """The rows for one budget of forward passes. For the budget "equal", a detector without such a row is represented
    by its row for the budget "paper"."""
    if budget == PAPER:
        return [r for r in rows if r.budget == PAPER]
    cut = {r.detector for r in rows if r.budget == EQUAL}
    return [r for r in rows if r.budget == EQUAL or r.detector not in cut]


def mean_over_attacks(rows: Iterable[DetectionRow], of: Callable[[DetectionRow], float]) -> float:
    """The mean over attacks of the mean over each attack's models; NaN if there are no values."""
    by: dict[str, list[float]] = {}
    for row in rows:
        if math.isfinite(value := of(row)):
            by.setdefault(row.attack, []).append(value)
    return float(np.mean([np.mean(values) for values in by.values()])) if by else math.nan


@dataclass(frozen=True)
class Summary:
    """The results of one detector, at one budget of forward passes, over the attacked models of one data set and recipe.

    Each mean is over the attacks of one group, such as the development attacks, with one poison rate. `fpr1` and `fpr5`
    are the shares of all clean test inputs that are flagged, with exact intervals. `models` is the number of models.
    `kept1` and `kept5` say for how many models the number of false alarms is inside the 95% interval that the promise
    allows, at promised rates of 1% and 5%.
    """

    detector: str
    budget: str
    models: int
    forwards: int
    milliseconds: float
    development: float
    held_out: float
    adaptive: float
    all_inputs: float
    tpr5: float
    auroc: float
    worst: str
    worst_tpr: float
    fpr1: Interval
    fpr5: Interval
    kept1: int
    kept5: int


def summaries(rows: Sequence[DetectionRow], budget: str, *, rate: float = _USUAL_RATE) -> list[Summary]:
    """A summary of every detector, the best detector first.

    The best detector has the highest mean TPR at 1% over the development attacks with this poison rate.
    """
    chosen = at_budget(rows, budget)
    found = [
        _summary([r for r in chosen if r.detector == name], budget, rate)
        for name in dict.fromkeys(r.detector for r in chosen)
    ]
    return sorted(found, key=lambda s: -s.development if math.isfinite(s.development) else 1)


def _summary(all_rows: list[DetectionRow], budget: str, rate: float) -> Summary:
    rows = [r for r in all_rows if r.rate == rate and r.group != CLEAN]
    by = {g: [r for r in rows if r.group == g] for g in (DEVELOPMENT, HELD_OUT, ADAPTIVE)}
    tpr = {
        a: mean_over_attacks([r for r in by[DEVELOPMENT] if r.attack == a], lambda r: r.tpr1)
        for a in {r.attack for r in by[DEVELOPMENT]}
    }
    tpr = {a: v for a, v in tpr.items() if math.isfinite(v)}
    worst = min(tpr, key=lambda a: (tpr[a], a)) if tpr else ""
    clean = sum(r.clean for r in all_rows)

    def kept(name: str, level: float) -> int:
        limits = [(_interval(r.clean, r.calibration, level), getattr(r, name)) for r in all_rows]
        return sum(low <= n <= high for (low, high), n in limits)

    return Summary(
        detector=all_rows[0].detector, budget=budget, models=len(all_rows),
        forwards=max(r.forwards for r in all_rows), milliseconds=float(np.median([r.milliseconds for r in all_rows])),
        development=mean_over_attacks(by[DEVELOPMENT], lambda r: r.tpr1),
        held_out=mean_over_attacks(by[HELD_OUT], lambda r: r.tpr1),
        adaptive=mean_over_attacks(by[ADAPTIVE], lambda r: r.tpr1),
        all_inputs=mean_over_attacks(by[DEVELOPMENT], lambda r: r.tpr1_all),
        tpr5=mean_over_attacks(by[DEVELOPMENT], lambda r: r.tpr5), auroc=mean_over_attacks(by[DEVELOPMENT], lambda r: r.auroc),
        worst=worst, worst_tpr=tpr.get(worst, math.nan),
        fpr1=proportion(sum(r.false1 for r in all_rows), clean), fpr5=proportion(sum(r.false5 for r in all_rows), clean),
        kept1=kept("false1", 0.01), kept5=kept("false5", 0.05),
    )  # fmt: skip
