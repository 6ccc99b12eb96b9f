"""The part of study detection's report on what calibration goes wrong by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from doldrum.records.study import CellRecord
from doldrum.report.study import Section, StudyTable
from doldrum.report.study_detection_rows import CLEAN, PAPER, TITLES
from doldrum.report.study_models import TITLES as ATTACKS
from doldrum.report.words import percent

__all__ = ["stress_sections", "stress_sentence"]

_RATES = ("1%", "5%")


def stress_sentence(cells: Sequence[CellRecord], detector: str) -> str:
    """What calibration does to one detector, in a sentence; empty where no cell measured it."""
    own = [c for c in cells if c.cell.get("stress") and not _trained(c)]
    found = [
        _stress(c, d) for c in own for d in c.values["detectors"] if (d["detector"], d["budget"]) == (detector, PAPER)
    ]
    if not found:
        return ""

    def mean(*path: Any) -> float:
        values: list[Any] = _backdoored(found) if {"tpr", "tpr_sd"} & set(path) else found
        for key in path:
            values = [v[key] for v in values]
        return float(np.mean(values)) if values else np.nan

    able = [s for s, rates in found[0]["sizes"].items() if rates[0] is not None]
    planted = _backdoored(found)

    def found_too(size: str) -> str:
        tpr, spread = mean("sizes", size, 0, "tpr"), mean("sizes", size, 0, "tpr_sd")
        return f" with TPR {tpr:.2f} ± {spread:.2f}" if planted else ""

    sizes = ", ".join(
        f"{int(s):,} inputs {percent(mean('sizes', s, 0, 'fpr'))} ± {percent(mean('sizes', s, 0, 'fpr_sd'))}{found_too(s)}"
        for s in (able[0], able[-1])
    )
    contaminated = f"; with 1% of triggered calibration inputs TPR {mean('planted', 'tpr', 0):.2f}" if planted else ""
    over = ", TPR over the backdoored ones" if planted else ""
    shifts = {k: mean("shifts", k, "fpr", 0) for k in found[0]["shifts"] if k != "none"}
    worst, even = (np.mean([x["imbalance"]["1"][k] for x in found], axis=0).max() for k in ("fpr", "per_class"))
    return (
        f"{TITLES[detector]} at a promised 1%, on {len(own)} {'model' if len(own) == 1 else 'models'}{over}: calibrated on {sizes} (mean ± "
        f"standard deviation over random splits); calibrated on changed images {percent(min(shifts.values()))} to "
        f"{percent(max(shifts.values()))}{contaminated}. The promise is for all inputs together: at 5%, "
        f"{percent(float(worst))} of one predicted class are flagged, {percent(float(even))} at most with class-conditional calibration."
    )


def stress_sections(cells: Sequence[CellRecord]) -> list[Section]:
    """Sizes, imbalance, shift and contamination; none where no cell measured them. Figures are means over those cells."""
    stressed = [c for c in cells if c.cell.get("stress")]
    own, tails = [c for c in stressed if not _trained(c)], [c for c in stressed if _trained(c)]
    return [*(_calibration(own) if own else ()), *(_training(tails) if tails else ())]


def _trained(cell: CellRecord) -> str:
    """The ratio, such as "1:100", for a model whose training set's classes were out of proportion; else nothing."""
    _, found, ratio = cell.cell.get("data", "").partition(" 1:")
    return f"1:{ratio}" if found else ""


def _victims(own: Sequence[CellRecord]) -> str:
    titles = {**ATTACKS, CLEAN: "a clean model"}
    return ", ".join(f"{titles.get(c.cell['attack'], c.cell['attack'])} (seed {c.cell['seed']})" for c in own)


def _by_detector(own: Sequence[CellRecord]) -> dict[str, list[dict[str, Any]]]:
    by: dict[str, list[dict[str, Any]]] = {}
    for cell in own:
        for d in cell.values["detectors"]:
            if d["budget"] == PAPER:
                by.setdefault(d["detector"], []).append(_stress(cell, d))
    return by


def _training(tails: Sequence[CellRecord]) -> list[Section]:
    ratios = sorted({_trained(c) for c in tails}, key=lambda r: int(r[2:]))
    groups = {r: [c for c in tails if _trained(c) == r] for r in ratios}
    accuracy = {r: percent(float(np.mean([c.values["clean_accuracy"] for c in own]))) for r, own in groups.items()}
    models = "; ".join(f"trained {r}: {_victims(own)}, clean accuracy {accuracy[r]}" for r, own in groups.items())
    return [
        Section(
            "When the training set’s classes are out of proportion",
            (
                f"The most frequent class has 10 or 100 times the training images of the rarest ({models}). Test images of all classes are "
                "equally many; calibration sets of 500 are balanced (1:1) or lean as the training set does.",
            ),
            (),
            [_imbalance(_by_detector(own), f"Trained {r}. ") for r, own in groups.items()],
        )
    ]


def _calibration(own: Sequence[CellRecord]) -> list[Section]:
    by, victims = _by_detector(own), _victims(own)
    return [
        Section(
            "How many calibration inputs",
            (
                f"Measured on {victims}; TPR over the backdoored ones. Random splits of the same scored inputs: mean ± standard deviation over 50 splits, so the spread "
                "is what the choice of the calibration inputs does. “Refused”: the library declines to promise so low a rate from so few. "
                "Kept: splits whose false alarms lie inside the promise’s 95% interval.",
            ),
            (),
            [_sizes(by, at) for at in range(2)],
        ),
        Section(
            "When calibration inputs differ from those scanned",
            (
                "Calibrated on inputs that were changed, or with classes out of proportion, or with triggered inputs among them; tested on "
                "clean inputs as they come. Imbalance: the most frequent predicted class has 10 or 100 times the calibration inputs of the "
                "rarest, at a promised 5%.",
            ),
            (),
            [_shifts(by), _imbalance(by)],
        ),
    ]


def _stress(cell: CellRecord, detector: dict[str, Any]) -> dict[str, Any]:
    return {**detector["stress"], "backdoored": cell.cell["attack"] != CLEAN}


def _backdoored(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that have triggered inputs to find: on a clean model a trigger does nothing, and its TPR is a false-positive rate."""
    return [f for f in found if f["backdoored"]]


def _sizes(by: dict[str, list[dict[str, Any]]], at: int) -> StudyTable:
    sizes = list(next(iter(by.values()))[0]["sizes"])

    def entry(found: list[dict[str, Any]], size: str) -> str:
        mine = [f["sizes"][size][at] for f in found]
        if any(m is None for m in mine):
            return "refused"
        false, false_sd = (float(np.mean([m[k] for m in mine])) for k in ("fpr", "fpr_sd"))
        hits = [f["sizes"][size][at] for f in _backdoored(found)]
        tpr = ""
        if hits:
            tpr = f"\nTPR {np.mean([h['tpr'] for h in hits]):.2f} ± {np.mean([h['tpr_sd'] for h in hits]):.2f}"
        kept = f"kept {sum(m['kept'] for m in mine)} of {50 * len(mine)}"
        return f"{percent(false)} ± {percent(false_sd)}{tpr}\n{kept}"

    return StudyTable(
        f"Realised FPR and TPR at a promised {_RATES[at]}, by calibration size",
        ["detector", *(f"{int(s):,}" for s in sizes)],
        [[TITLES[name], *(entry(found, s) for s in sizes)] for name, found in by.items()],
    )


def _shifts(by: dict[str, list[dict[str, Any]]]) -> StudyTable:
    kinds: list[str] = list(next(iter(by.values()))[0]["shifts"])

    def pair(found: list[dict[str, Any]], read: Callable[[dict[str, Any]], Any]) -> str:
        false = percent(float(np.mean([read(f)["fpr"][0] for f in found])))
        hits = [read(f)["tpr"][0] for f in _backdoored(found)]
        return f"{false}; {np.mean(hits):.2f}" if hits else false

    return StudyTable(
        "Realised FPR at a promised 1%, and TPR; calibrated on changed inputs, or with 1% of triggered ones among 500",
        ["detector", *("unchanged" if k == "none" else k for k in kinds), "1% triggered"],
        [
            [
                TITLES[name],
                *(pair(found, lambda f, k=k: f["shifts"][k]) for k in kinds),
                pair(found, lambda f: f["planted"]),
            ]
            for name, found in by.items()
        ],
    )


def _imbalance(by: dict[str, list[dict[str, Any]]], first: str = "") -> StudyTable:
    ratios = list(next(iter(by.values()))[0]["imbalance"])

    def ends(found: list[dict[str, Any]], ratio: str, name: str) -> str:
        mean = np.mean([f["imbalance"][ratio][name] for f in found], axis=0)
        return f"{percent(float(mean[:3].mean()))} / {percent(float(mean[-3:].mean()))}\n{percent(float(mean.min()))} to {percent(float(mean.max()))}"

    def refused(found: list[dict[str, Any]], ratio: str) -> str:
        few = float(np.mean([f["imbalance"][ratio]["refused"] for f in found]))
        return f"\n(refused: {few:.1f} classes)" if few else ""

    return StudyTable(
        f"{first}Realised FPR at a promised 5%: the three most frequent / the three rarest predicted classes; lowest to highest class. With "
        "class-conditional calibration, classes with too few inputs are refused (here: never flagged)",
        ["detector", *(f"1:{r}" for r in ratios), *(f"1:{r}, per class" for r in ratios)],
        [
            [
                TITLES[n],
                *(ends(f, r, "fpr") for r in ratios),
                *(ends(f, r, "per_class") + refused(f, r) for r in ratios),
            ]
            for n, f in by.items()
        ],
    )
