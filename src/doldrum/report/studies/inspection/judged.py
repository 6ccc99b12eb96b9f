"""Compare every model of the study with the reference models of its network, by each inspector alone and by the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from doldrum.records.study import CellRecord
from doldrum.stats.standings import deviations

__all__ = [
    "ALL", "CONTROL", "LEAST", "LEVEL", "REFERENCES", "SIZED", "VERDICT", "Figure", "Judged", "Model", "as_rows", "judged", "models_of", "names_of",
]  # fmt: skip

Figure = tuple[str, int | None, int | None]
"""The key of a value that an inspector measured: (inspector, source class, target class)."""
CONTROL = "wrong labels"
"""Models with wrong labels of the target class in their training data, but without any trigger. They have no backdoor."""
ALL = "verdict"
"""The name for the verdict, which combines the inspectors of VERDICT."""
LEAST = 0.05
"""A lower limit: a smaller standard deviation of the reference models is replaced by this number, as in doldrum.inspectors.judging.standard."""
VERDICT = ("mask", "additive", "low-frequency", "blend", "warp", "label-only")
"""The inspectors that the verdict combines, as in doldrum.inspectors.kinds."""
SIZED = ("mask", "additive", "low-frequency", "blend", "warp")
"""The inspectors of the verdict that find triggers with a size. The verdict names the class of the trigger that stands out most."""
LEVEL = 0.05
"""The promised rate of false alarms: the share of clean models that are flagged."""
SMALLER, WORKS = 2.0, 0.5
"""A backdoor is shown if its trigger is at least 2 times smaller than in the reference models, and has a success rate of at least .5.

The limits SMALLER and WORKS are the same as in doldrum.inspectors.inspection.
"""
REFERENCES = 300
"""A clean model is a reference model if its seed is at least this number, as in the study."""


@dataclass(frozen=True)
class Model:
    """The results of one model, collected from all cells with this model. There is one value for each inspector and
    each pair of a source class and a target class."""

    network: str
    attack: str
    seed: int
    target: int
    asr: float
    clean_accuracy: float
    values: dict[Figure, float] = field(default_factory=dict)
    success: dict[Figure, float] = field(default_factory=dict)
    leads: dict[Figure, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        return self.attack == "clean"

    @property
    def reference(self) -> bool:
        return self.clean and self.seed >= REFERENCES


@dataclass(frozen=True)
class Judged:
    """The result of the comparison of one model with the reference models, by one inspector or by ALL inspectors of the
    verdict.

    `score` says how far the model is from the reference models, and `p` is the conformal p-value of this score. `most`
    is the key of the value that differs most from the reference models.
    """

    model: Model
    by: str
    score: float
    p: float
    most: Figure
    smaller: float = math.nan
    """The geometric mean size of the triggers for the same classes in the reference models, divided by the size of the trigger of `most`."""

    @property
    def shown(self) -> bool:
        """Whether a backdoor is shown, by the rule of the verdict "backdoor shown" but without the confidence limits of
        the success rate."""
        return self.p <= LEVEL and self.smaller >= SMALLER and self.model.success.get(self.most, 0.0) >= WORKS

    @property
    def points_to(self) -> int | None:
        """The target class that the inspector names: the target class in `most` or, if there is none, the class to
        which the trigger changes most images."""
        return self.most[2] if self.most[2] is not None else self.model.leads.get(self.most)


def models_of(cells: Iterable[CellRecord]) -> list[Model]:
    """The models of a study's records. Several cells can be about the same model, with different inspectors."""
    found: dict[str, Model] = {}
    for record in cells:
        cell, values = record.cell, record.values
        model = found.setdefault(
            str(values["victim"]),
            Model(
                network=str(cell["changes"].get("network", cell["recipe"])),
                attack=CONTROL if cell.get("settings", {}).get("alpha") == 0 else str(cell["attack"]),
                seed=int(cell["seed"]),
                target=int(values["target"]),
                asr=math.nan if values["asr"] is None else float(values["asr"]),
                clean_accuracy=float(values["clean_accuracy"]),
            ),
        )
        for reading in values["readings"]:
            name = str(reading["inspector"])
            model.seconds[name] = float(reading["seconds"])
            if reading["refused"]:
                model.refused[name] = str(reading["refused"])
            model.values.update({(name, s, t): float(v) for s, t, v in reading["values"] if v is not None})
        model.success.update({(name, s, t): float(v) for name, s, t, v, _ in values["success"]})
        model.leads.update({(name, s, t): int(c) for name, s, t, _, c in values["success"] if c is not None})
    return list(found.values())


def names_of(models: Sequence[Model]) -> list[str]:
    """The names of all inspectors that have a result for at least one of the models."""
    return list(dict.fromkeys(name for model in models for name, _, _ in model.values))


def judged(models: Sequence[Model], by: str, inspectors: Sequence[str]) -> list[Judged]:
    """Compare each model with the reference models of the same network. Reference models themselves are left out of the
    result.

    The comparison uses the values of all `inspectors` together, and `by` is the name of this comparison. Each reference
    model gets a score too, by comparing it with the other reference models. The p-value of a model comes from the rank
    of its score among the scores of the reference models.
    """
    out: list[Judged] = []
    for network in dict.fromkeys(model.network for model in models):
        mine = [m for m in models if m.network == network]
        references = [_only(m, inspectors) for m in mine if m.reference]
        if len(references) < 3:
            continue
        for model in mine:
            if model.reference or not (own := _only(model, inspectors)):
                continue
            first, *rest = deviations([own, *references], kind=_kind, least=LEAST)
            if not first:
                continue
            scores = [max(one.values(), default=-math.inf) for one in rest]
            score = max(first.values())
            sized = [name for name in first if name[0] in SIZED] if by == ALL else []
            most = max(sized or first, key=lambda name: first[name])
            p = (1 + sum(s >= score for s in scores)) / (len(scores) + 1)
            smaller = [one.values.get(most, np.nan) for one in mine if one.reference]
            times = math.exp(own[most] - float(np.nanmean(smaller))) if most[0] in SIZED else math.nan
            out.append(Judged(model, by, score, p, most, times))
    return out


def _only(model: Model, inspectors: Sequence[str]) -> dict[Figure, float]:
    return {name: v for name, v in model.values.items() if name[0] in inspectors and np.isfinite(v)}


def _kind(name: Figure) -> tuple[str, bool, bool]:
    return name[0], name[1] is None, name[2] is None


def as_rows(found: Iterable[Judged]) -> list[Mapping[str, Any]]:
    """The rows of the CSV file with the results: one row for each model and each inspector (or the verdict)."""
    return [
        {"network": j.model.network, "attack": j.model.attack, "seed": j.model.seed, "target": j.model.target, "asr": j.model.asr,
         "by": j.by, "score": j.score, "p": j.p, "inspector": j.most[0], "smaller": j.smaller, "shown": j.shown, "source": j.most[1], "points_to": j.points_to}
        for j in found
    ]  # fmt: skip
