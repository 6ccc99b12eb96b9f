"""The part of study detection's report that compares the results of detectors with their published figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from doldrum.report.studies.detection.rows import DEVELOPMENT, DetectionRow, Summary, detector_title, mean_over_attacks
from doldrum.report.studies.models import TITLES as ATTACKS
from doldrum.report.studies.parts import Section, StudyTable

__all__ = ["papers_section"]


@dataclass(frozen=True)
class _Published:
    """A published figure, what it was measured on, and the results of this study that correspond to it.

    `here` lists these results as (measure, attack). An empty attack "" stands for the mean over development attacks.
    """

    figure: str
    on: str
    here: tuple[tuple[str, str], ...] = (("auroc", ""),)


# As known from the detector's own paper, or from one that compares it with others.
_PUBLISHED = {
    "strip": _Published("AUROC .663", "CIFAR-10, mean over 7 attacks"),
    "scale-up": _Published(
        "AUROC .731; Blended .644, WaNet .672",
        "colour images, mean over attacks",
        (("auroc", ""), ("auroc", "blended"), ("auroc", "wanet")),
    ),
    "teco": _Published("AUROC .858", "colour images, mean over attacks"),
    "frequency": _Published("98.5% detected", "8 attacks, detected by a CNN on the DCT (here: by ridge regression)", (("tpr5", ""), ("auroc", ""))),
    "ibd-psc": _Published("AUROC .992, F1 .961", "CIFAR-10, ResNet-18, 7 attacks"),
    "psbd": _Published("AUROC .411 on the attack all-to-all, which PSBD detects badly", "training data", (("auroc", "all-to-all"), ("auroc", ""))),
    "rpp": _Published("TPR 98.5% on BadNets", "poisoned samples, with the paper’s choice of noise", (("tpr1", "badnets"), ("auroc", ""))),
}  # fmt: skip
_MEASURES = {"auroc": "AUROC", "tpr1": "TPR at 1%", "tpr5": "TPR at 5%"}


def papers_section(paper: Sequence[Summary], rows: Sequence[DetectionRow], rate: float) -> Section | None:
    """A table of detectors with as many forward passes as in their papers, and their published figures.

    The result is None if no detector that was measured on an attack has a published figure.
    """
    ranked = [s for s in paper if math.isfinite(s.development)]
    lines = [
        [
            detector_title(s.detector), known.figure, known.on,
            "\n".join(_here(rows, s.detector, rate, measure, attack) for measure, attack in known.here),
            f"{place} of {len(ranked)}",
        ]
        for place, s in enumerate(ranked, start=1)
        if (known := _PUBLISHED.get(s.detector))
    ]  # fmt: skip
    if not lines:
        return None
    text = "Published figures are for deep networks on colour images, with other attacks and poison rates. So only one thing can be compared: whether a detector works at all. Each score computed here agrees, input by input, with a slow reference implementation of the paper’s equation in the tests. So if a result here is much lower than in the paper, the reason is the models, not an error in the score. IBD-PSC and PSBD scale or drop layers, and a small network has few layers. The results of SCALE-UP and TeCo depend on how easily clean images change their label."
    head = ["detector", "published", "measured on", "here", "rank here"]
    caption = "The figures of this study were measured with as many forward passes as in the papers. Figures without the name of an attack are means over the development attacks. The last column gives the rank of each detector by its mean TPR at 1% FPR"
    return Section("Comparison with the figures in their papers", (text,), (), [StudyTable(caption, head, lines)])


def _here(rows: Sequence[DetectionRow], detector: str, rate: float, measure: str, attack: str) -> str:
    mine = [
        r for r in rows
        if (r.detector, r.budget, r.rate) == (detector, "paper", rate)
        and (r.attack == attack if attack else r.group == DEVELOPMENT)
    ]  # fmt: skip
    value = mean_over_attacks(mine, lambda r: getattr(r, measure))
    figure = "–" if not math.isfinite(value) else f"{value:.3f}" if measure == "auroc" else f"{value:.2f}"
    return f"{_MEASURES[measure]} {figure}" + (f" on {ATTACKS.get(attack, attack)}" if attack else "")
