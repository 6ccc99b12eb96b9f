"""The results of `study patterns`, one row per model and condition, and a test of how well triggers can be distinguished."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.records.study import CellRecord
from doldrum.report.studies.models import TITLES
from doldrum.stats.auroc import auroc

__all__ = ["CONTROL_KINDS", "KINDS", "PatternRow", "Telling", "kind_of", "pattern_rows", "tell_apart", "told_pairs"]

KINDS = {
    "uap-targeted": "universal perturbation, targeted", "uap-untargeted": "universal perturbation, untargeted",
    "patch": "adversarial patch", "calm": "pattern made to lower W", "sticker": "sticker (piece of an image)",
    "logo": "plain shape", "random-sign": "random signs", "random-uniform": "uniform noise", "random-patch": "random patch",
    "trigger": "BadNets’ patch, unknown to the model",
}  # fmt: skip
CONTROL_KINDS = tuple(KINDS[name] for name in ("random-sign", "random-uniform", "random-patch", "trigger"))
"""The kinds of pattern that serve as controls: random patterns, and a trigger that the model never learnt."""

FEWEST = 10
"""A pattern must change at least this many inputs to its class, or its curves are not used."""


@dataclass(frozen=True)
class PatternRow:
    """The results of one pattern on one model, under one condition.

    The condition `level` is "full" (the pattern has its full strength) or a share of inputs, such as .5. For a share,
    the pattern is made weaker, until the model predicts only this share of the inputs as the pattern's class.

    `true` says whether the pattern is a backdoored model's own trigger. `amount` is the pattern's strength as a share
    of its full strength. `share` is the share of inputs that the model predicts as the pattern's class. `w_clean` is
    mean W without the pattern, and `w` is mean W with the pattern, both at the clean model's sigma-half. `w_hit` is
    mean W over only the inputs that the model predicts as the pattern's class (NaN if there are no such inputs).
    `auroc_w` and `auroc_strip` compare inputs with and without the pattern. `flagged_w` and `flagged_strip` are the
    shares of inputs with the pattern that are flagged at a promised 5% of false alarms.
    """

    kind: str
    true: bool
    seed: int
    level: str
    amount: float
    share: float
    inputs: int
    w_clean: float
    w: float
    w_hit: float
    auroc_w: float
    flagged_w: float
    auroc_strip: float
    flagged_strip: float

    @property
    def fall(self) -> float:
        """By how much the pattern lowers mean W, for the same inputs on the same model."""
        return self.w_clean - self.w

    def to_dict(self) -> dict[str, Any]:
        return {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()} | {
            "fall": round(self.fall, 6)
        }


def kind_of(cell: CellRecord) -> tuple[str, bool]:
    """The name of the cell's pattern for tables, and whether the pattern is the own trigger of a backdoored model."""
    attack, pattern = str(cell.cell["attack"]), str(cell.cell["pattern"])
    if attack == "clean":
        return KINDS.get(pattern, pattern), False
    name = TITLES.get(attack, attack)
    return (name, True) if pattern == "trigger" else (f"{KINDS.get(pattern, pattern)}, on {name}", False)


def pattern_rows(cells: Iterable[CellRecord]) -> list[PatternRow]:
    """Make one row for every condition of every cell. The condition "clean" is left out, and the rows are in the order
    of the cells."""
    rows = []
    for cell in cells:
        v = cell.values
        at = int(np.abs(np.asarray(v["strengths"]) - v["sigma_half"]).argmin())
        kind, true = kind_of(cell)
        for level, c in v["conditions"].items():
            if level == "clean":
                continue
            rows.append(
                PatternRow(
                    kind, true, int(cell.cell["seed"]), level, float(c["amount"]), float(c["share"]), int(v["inputs"]),
                    float(v["conditions"]["clean"]["w"][at]), float(c["w"][at]),
                    float(c["hit_w"][at]) if "hit_w" in c else math.nan,
                    c["judged"]["w"]["auroc"], c["judged"]["w"]["flagged"],
                    c["judged"]["strip"]["auroc"], c["judged"]["strip"]["flagged"],
                )
            )  # fmt: skip
    return rows


@dataclass(frozen=True)
class Telling:
    """How well a discriminant distinguishes inputs with a true trigger from inputs with an artificial pattern.

    The discriminant is not trained on the trigger and the pattern that it must distinguish. `mean` is the mean AUROC
    over all pairs of a trigger and a pattern, and `least` is the lowest AUROC. Guessing gives an AUROC of one half.
    """

    features: str
    level: str
    pairs: int
    mean: float
    least: float
    worst: tuple[str, str]


def tell_apart(cells: Sequence[CellRecord], *, level: str, features: Sequence[str] = ("w", "keep")) -> Telling | None:
    """Test whether W curves distinguish a trigger and a pattern that were both left out of training.

    For each pair of a trigger and a pattern, a linear discriminant is trained on all triggers and patterns except this
    pair. Then the discriminant must distinguish the trigger and the pattern of the pair. The features of the
    discriminant are W and the share of draws that keep the label, at the strengths that all cells share. The ridge
    penalty of the discriminant is 0.1 times the mean variance of the features. Only inputs that the model predicts as
    the pattern's class are used. Patterns for which there are fewer than ten of these inputs are left out. The result
    is None with fewer than two triggers or fewer than two patterns.
    """
    pairs = told_pairs(cells, level=level, features=features)
    if not pairs:
        return None
    worst = min(pairs, key=lambda pair: pairs[pair])
    return Telling(" and ".join(features), level, len(pairs), float(np.mean(list(pairs.values()))), pairs[worst], worst)


def told_pairs(
    cells: Sequence[CellRecord], *, level: str, features: Sequence[str] = ("w", "keep")
) -> dict[tuple[str, str], float]:
    """For each pair (trigger, pattern), the AUROC with which a discriminant separates inputs with the trigger from
    inputs with the pattern.

    The discriminant for a pair of a trigger and a pattern is trained without this pair.
    """
    conditions = [(c, c.values["conditions"].get(level, {"hit": ()})) for c in cells]
    fit = [c for c, condition in conditions if sum(condition["hit"]) >= FEWEST]
    if not fit:
        return {}
    shared = sorted(set.intersection(*({float(s) for s in c.cell["strengths"]} for c in fit)))
    groups: dict[tuple[str, bool], list[NDArray[np.float64]]] = {}
    for cell in fit:
        groups.setdefault(kind_of(cell), []).append(_inputs(cell, level, shared, features))
    data = {key: np.concatenate(parts) for key, parts in groups.items()}
    true, other = ([k for k in data if k[1] is side] for side in (True, False))
    if min(len(true), len(other)) < 2:
        return {}
    found = {}
    for a in true:
        for b in other:
            direction = _discriminant([data[k] for k in true if k != a], [data[k] for k in other if k != b])
            found[a[0], b[0]] = auroc(data[b] @ direction, data[a] @ direction)
    return found


def _inputs(cell: CellRecord, level: str, strengths: Sequence[float], features: Sequence[str]) -> NDArray[np.float64]:
    """One row of features for each input that the model predicts as the pattern's class. The features are the values of
    `features` at the given noise strengths."""
    condition = cell.values["conditions"][level]
    columns = [int(np.abs(np.asarray(cell.values["strengths"]) - s).argmin()) for s in strengths]
    hit = np.asarray(condition["hit"], dtype=bool)
    return np.concatenate([np.asarray(condition[f"each_{f}"], dtype=float)[hit][:, columns] for f in features], axis=1)


def _discriminant(true: Sequence[NDArray[np.float64]], other: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The direction of Fisher's linear discriminant between two classes, pointing from the inputs in `other` to the
    inputs in `true`. Every kind of pattern has the same weight."""
    means = [np.mean([part.mean(axis=0) for part in side], axis=0) for side in (true, other)]
    spread = np.mean(
        [(part - m).T @ (part - m) / len(part) for side, m in zip((true, other), means, strict=True) for part in side],
        axis=0,
    )
    ridge = 0.1 * np.trace(spread) / len(spread) + 1e-12
    return np.linalg.solve(spread + ridge * np.eye(len(spread)), means[0] - means[1])
