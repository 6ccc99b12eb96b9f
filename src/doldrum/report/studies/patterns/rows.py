"""What the records of `study patterns` hold, one row per model and condition; and whether profiles tell triggers apart."""

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
"""Controls: patterns without a purpose."""

FEWEST = 10
"""The fewest inputs that a pattern must send to the class, so that its profiles are used."""


@dataclass(frozen=True)
class PatternRow:
    """One pattern on one model, at full strength or faded to a level of success; W is at the clean model's sigma-half.

    `true` is whether it is a backdoored model's own trigger. `share` of inputs sent to one class at `amount` of full
    strength; `w_clean` and `w` mean W without and with it, `w_hit` over inputs sent to the class (NaN if none is);
    `auroc_w`, `auroc_strip` against the same inputs without it, `flagged_w`, `flagged_strip` at a promised 5%.
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
        """How much calmer the pattern makes the same inputs on the same model."""
        return self.w_clean - self.w

    def to_dict(self) -> dict[str, Any]:
        return {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()} | {
            "fall": round(self.fall, 6)
        }


def kind_of(cell: CellRecord) -> tuple[str, bool]:
    """(what a cell's pattern is called, whether it is a backdoored model's own trigger)."""
    attack, pattern = str(cell.cell["attack"]), str(cell.cell["pattern"])
    if attack == "clean":
        return KINDS.get(pattern, pattern), False
    name = TITLES.get(attack, attack)
    return (name, True) if pattern == "trigger" else (f"{KINDS.get(pattern, pattern)}, on {name}", False)


def pattern_rows(cells: Iterable[CellRecord]) -> list[PatternRow]:
    """Every condition but "clean" of every cell, in order."""
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
    """How well inputs with a true trigger are told from inputs with an artificial pattern, neither of which was learned
    from: the mean and the least AUROC over all pairs of a trigger and a pattern. One half is chance.
    """

    features: str
    level: str
    pairs: int
    mean: float
    least: float
    worst: tuple[str, str]


def tell_apart(cells: Sequence[CellRecord], *, level: str, features: Sequence[str] = ("w", "keep")) -> Telling | None:
    """Leave a trigger and a pattern out, learn from all others, tell the two left out apart; None with fewer than two of
    either.

    Inputs that are sent to the class, at a level of success; patterns that send fewer than ten there are in no pair. Learned is a
    linear discriminant (ridge 0.1 of the mean variance) on the profile at the strengths that all cells share: W and the
    share of draws that keep the label, each standardised.
    """
    pairs = told_pairs(cells, level=level, features=features)
    if not pairs:
        return None
    worst = min(pairs, key=lambda pair: pairs[pair])
    return Telling(" and ".join(features), level, len(pairs), float(np.mean(list(pairs.values()))), pairs[worst], worst)


def told_pairs(
    cells: Sequence[CellRecord], *, level: str, features: Sequence[str] = ("w", "keep")
) -> dict[tuple[str, str], float]:
    """(trigger, pattern) -> AUROC of inputs with the one against inputs with the other, both left out of learning."""
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
    """One row an input that is sent to the class: its profile at the shared strengths."""
    condition = cell.values["conditions"][level]
    columns = [int(np.abs(np.asarray(cell.values["strengths"]) - s).argmin()) for s in strengths]
    hit = np.asarray(condition["hit"], dtype=bool)
    return np.concatenate([np.asarray(condition[f"each_{f}"], dtype=float)[hit][:, columns] for f in features], axis=1)


def _discriminant(true: Sequence[NDArray[np.float64]], other: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Fisher's direction from `other` to `true`; every kind weighs the same, however many inputs it has."""
    means = [np.mean([part.mean(axis=0) for part in side], axis=0) for side in (true, other)]
    spread = np.mean(
        [(part - m).T @ (part - m) / len(part) for side, m in zip((true, other), means, strict=True) for part in side],
        axis=0,
    )
    ridge = 0.1 * np.trace(spread) / len(spread) + 1e-12
    return np.linalg.solve(spread + ridge * np.eye(len(spread)), means[0] - means[1])
