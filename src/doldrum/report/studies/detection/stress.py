"""The part of study detection's report about the effects of bad calibration sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from doldrum.records.study import CellRecord
from doldrum.report.studies.detection.models import Models, grouped, labelled, ratio_of, without_ratio
from doldrum.report.studies.detection.rows import CLEAN, PAPER, attack_of, detector_title
from doldrum.report.studies.models import TITLES as ATTACKS
from doldrum.report.studies.parts import Section, StudyTable
from doldrum.report.words import percent

__all__ = ["stress_sections", "stress_sentences"]

_RATES = ("1%", "5%")


def stress_sentences(cells: Sequence[CellRecord], detector: str) -> list[str]:
    """Sentences about the effect of the calibration set on one detector, one for each data set and recipe with `stress` cells."""
    stressed = [c for c in cells if c.cell.get("stress") and ratio_of(c.cell["data"]) == 1]
    return [text for models, own in grouped(stressed).items() if (text := _sentence(models, own, detector))]


def _sentence(models: Models, own: Sequence[CellRecord], detector: str) -> str:
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

    able = [s for s in found[0]["sizes"] if all(s in f["sizes"] and f["sizes"][s][0] is not None for f in found)]
    if not able:
        return ""
    planted = _backdoored(found)

    def found_too(size: str) -> str:
        tpr, spread = mean("sizes", size, 0, "tpr"), mean("sizes", size, 0, "tpr_sd")
        return f" with TPR {tpr:.2f} ± {spread:.2f}" if planted else ""

    sizes = ", ".join(
        f"{int(s):,} inputs {percent(mean('sizes', s, 0, 'fpr'))} ± {percent(mean('sizes', s, 0, 'fpr_sd'))}{found_too(s)}"
        for s in (able[0], able[-1])
    )
    contaminated = (
        f" If 1% of the calibration inputs are triggered, the mean TPR is {mean('planted', 'tpr', 0):.2f}."
        if planted
        else ""
    )
    over = "; each TPR is a mean over the backdoored models" if planted else ""
    shifts = {k: mean("shifts", k, "fpr", 0) for k in found[0]["shifts"] if k != "none"}
    worst, even = (np.mean([x["imbalance"]["1"][k] for x in found], axis=0).max() for k in ("fpr", "per_class"))
    return (
        f"{detector_title(detector)} was also calibrated with other calibration sets, for {len(own)} {'model' if len(own) == 1 else 'models'} ({models.name}{over}). At a promised rate of 1%, the actual rates of false alarms by the number of calibration inputs are: {sizes} (mean ± "
        f"standard deviation over random splits). If the calibration images are made brighter, darker or otherwise unlike the scanned images, the actual rates are {percent(min(shifts.values()))} to "
        f"{percent(max(shifts.values()))}.{contaminated} The promised rate holds over all classes together, not for each class: at a promised 5%, "
        f"up to {percent(float(worst))} of the inputs of one predicted class are flagged. With class-conditional calibration, at most {percent(float(even))} of the inputs of a class are flagged."
    )


def stress_sections(cells: Sequence[CellRecord], *, alone: bool) -> list[Section]:
    """Sections about the size, imbalance, shift and contamination of calibration sets; none if no cell measured them.

    Numbers are means over the cells of one data set and recipe. Models that were trained on imbalanced classes have a section of
    their own. `alone` says that the page covers a single data set and recipe.
    """
    by = grouped(c for c in cells if c.cell.get("stress"))
    sections = [
        labelled(section, models, first=True, alone=alone)
        for models, own in by.items()
        if ratio_of(models.data) == 1
        for section in _calibration(own)
    ]
    tails = sorted((m for m in by if ratio_of(m.data) > 1), key=lambda m: ratio_of(m.data))
    for whole in dict.fromkeys(map(without_ratio, tails)):
        sections.append(_training(whole, {m: by[m] for m in tails if without_ratio(m) == whole}, alone=alone))
    return sections


def _victims(own: Sequence[CellRecord]) -> str:
    titles = {**ATTACKS, CLEAN: "a clean model"}
    return ", ".join(f"{titles.get(attack_of(c.cell), attack_of(c.cell))} (seed {c.cell['seed']})" for c in own)


def _by_detector(own: Sequence[CellRecord]) -> dict[str, list[dict[str, Any]]]:
    by: dict[str, list[dict[str, Any]]] = {}
    for cell in own:
        for d in cell.values["detectors"]:
            if d["budget"] == PAPER:
                by.setdefault(d["detector"], []).append(_stress(cell, d))
    return by


def _training(whole: Models, tails: dict[Models, list[CellRecord]], *, alone: bool) -> Section:
    accuracy = {m: percent(float(np.mean([c.values["clean_accuracy"] for c in own]))) for m, own in tails.items()}
    models = "; ".join(f"{m.data}: {_victims(own)}, clean accuracy {accuracy[m]}" for m, own in tails.items())
    title = "If the classes of the training set have unequal sizes"
    return Section(
        title if alone else f"{title}: {whole.name}",
        (
            "The ratio after the data set’s name compares the number of training images of the rarest class with that of the most frequent class "
            f"({models}). All classes have equally many test images. Calibration sets have 500 images, in equal numbers per class (1:1) or in the proportions of the training set.",
        ),
        (),
        [_imbalance(_by_detector(own), f"{m.name}. ") for m, own in tails.items()],
    )


def _calibration(own: Sequence[CellRecord]) -> list[Section]:
    by, victims = _by_detector(own), _victims(own)
    return [
        Section(
            "How many calibration inputs",
            (
                f"The false-positive rates and TPRs were measured on {victims}. TPR is a mean over the backdoored models. The same scored inputs were split at random 50 times into calibration and test inputs. The table gives mean ± standard deviation over these splits. The standard deviation shows the effect of the random choice of calibration inputs. “Refused” means that there are too few calibration inputs to promise the rate. "
                "“Kept” is the number of splits whose false alarms are inside the 95% interval that the promise allows.",
            ),
            (),
            [_sizes(by, at) for at in range(2)],
        ),
        Section(
            "If calibration inputs differ from the scanned inputs",
            (
                "Detectors were calibrated on changed inputs, on classes of unequal size, or with triggered inputs among the calibration inputs. Then the detectors were tested on unchanged clean inputs. With unequal classes, the most frequent predicted class has 10 or 100 times as many calibration inputs as the "
                "rarest class, and the promised rate is 5%.",
            ),
            (),
            [_shifts(by), _imbalance(by)],
        ),
    ]


def _stress(cell: CellRecord, detector: dict[str, Any]) -> dict[str, Any]:
    return {**detector["stress"], "backdoored": cell.cell["attack"] != CLEAN}


def _backdoored(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep only the results on backdoored models. Clean models are left out, since the TPR on a clean model is a
    false-positive rate: the trigger has no effect."""
    return [f for f in found if f["backdoored"]]


def _sizes(by: dict[str, list[dict[str, Any]]], at: int) -> StudyTable:
    everything = [f["sizes"] for found in by.values() for f in found]
    sizes = [s for s in everything[0] if all(s in f for f in everything)]  # cells with fewer inputs have fewer

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
        f"Actual FPR and TPR at a promised FPR of {_RATES[at]}, by the number of calibration inputs",
        ["detector", *(f"{int(s):,}" for s in sizes)],
        [[detector_title(name), *(entry(found, s) for s in sizes)] for name, found in by.items()],
    )


def _shifts(by: dict[str, list[dict[str, Any]]]) -> StudyTable:
    kinds: list[str] = list(next(iter(by.values()))[0]["shifts"])

    def pair(found: list[dict[str, Any]], read: Callable[[dict[str, Any]], Any]) -> str:
        false = percent(float(np.mean([read(f)["fpr"][0] for f in found])))
        hits = [read(f)["tpr"][0] for f in _backdoored(found)]
        return f"{false}; {np.mean(hits):.2f}" if hits else false

    return StudyTable(
        "Actual FPR and TPR at a promised FPR of 1%. Detectors were calibrated on changed inputs, or on 500 inputs of which 1% were triggered",
        ["detector", *("unchanged" if k == "none" else k for k in kinds), "1% triggered"],
        [
            [
                detector_title(name),
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
        f"{first}The table gives the actual FPR at a promised FPR of 5%. The first line of a table cell gives two mean FPRs: of the three most frequent predicted classes, and of the three rarest predicted classes. The second line gives the range from the lowest to the highest FPR of a class. With "
        "class-conditional calibration, classes with too few inputs are refused (here their inputs are never flagged)",
        ["detector", *(f"1:{r}" for r in ratios), *(f"1:{r}, per class" for r in ratios)],
        [
            [
                detector_title(n),
                *(ends(f, r, "fpr") for r in ratios),
                *(ends(f, r, "per_class") + refused(f, r) for r in ratios),
            ]
            for n, f in by.items()
        ],
    )
