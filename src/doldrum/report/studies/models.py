"""One row per backdoored model, from records that compare it with the clean model of the same seed (its clean twin)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from doldrum.records.study import CellRecord
from doldrum.stats.effects import superiority

__all__ = ["TITLES", "ModelRow", "model_rows", "title_of"]

TITLES = {
    "badnets": "BadNets", "all-to-all": "all-to-all", "blended": "Blended", "sig": "SIG", "wanet": "WaNet", "tact": "TaCT",
    "clean": "none (two clean models)", "label-consistent": "label-consistent", "trojannn": "TrojanNN", "issba": "ISSBA",
    "input-aware": "input-aware", "bpp": "BPP", "lf": "low frequency", "ftrojan": "FTrojan", "adap-blend": "Adap-Blend",
    "adap-patch": "Adap-Patch", "lsba": "LSBA", "noise-hardened": "noise-hardened", "anti-smoothing": "anti-smoothing",
    "tone": "tone curve", "motion-blur": "motion blur", "light": "light", "reflection": "reflection", "shear": "shear",
    "sharpen": "sharpening", "profile-evading": "profile-evading",
}  # fmt: skip


@dataclass(frozen=True)
class ModelRow:
    """The results of a backdoored model, compared with the clean model of the same seed at sigma-half.

    Every W is a mean over inputs x, without or with the trigger T. `effect` is the difference in differences of W; it
    is positive if the trigger makes the model smoother. `effect_hit` is the effect over only the inputs that get the
    attacker's label with the trigger. `effect_hit` is NaN if no input gets the attacker's label. `effect_soft` is the
    effect on W of the mean probabilities. `within` is W(x) - W(T(x)) on the backdoored model only. `superiority` is the
    probability that the backdoored model is smoother around T(x) than around x, where x is a random input.
    `calmer_than_class` is mean W of clean inputs of the attacker's class, minus W(T(x)).
    """

    key: str
    attack: str
    seed: int
    target: int
    recipe: str
    rate: float
    variant: str
    asr: float
    clean_accuracy: float
    sigma_half: float
    inputs: int
    hits: int
    w_clean: float
    w_triggered: float
    w_twin_clean: float
    w_twin_triggered: float
    effect: float
    effect_hit: float
    effect_soft: float
    within: float
    superiority: float
    superiority_twin: float
    calmer_than_class: float

    def to_dict(self) -> dict[str, Any]:
        return {k: round(v, 6) if isinstance(v, float) else v for k, v in asdict(self).items()}


def model_rows(cells: Iterable[CellRecord]) -> list[ModelRow]:
    """Make one row for each cell whose values include W at sigma-half. The rows are in the order of the cells."""
    return [_row(cell) for cell in cells if "half" in cell.values]


def _row(record: CellRecord) -> ModelRow:
    cell, v = record.cell, record.values
    w = {key: np.asarray(values, dtype=float) for key, values in v["half"].items()}
    soft = {key: np.asarray(values, dtype=float) for key, values in v["soft_half"].items()}
    hit = np.asarray(v["hit"], dtype=bool)
    gain = _gain(w)
    extra = {**cell.get("settings", {}), **cell.get("changes", {})}
    return ModelRow(
        key=record.key,
        attack=str(cell["attack"]),
        seed=int(cell["seed"]),
        target=int(v["target"]),
        recipe=str(cell["recipe"]),
        rate=float(cell["rate"]),
        variant=", ".join(
            f"{k} {value:g}" if isinstance(value, float) else f"{k} {value}" for k, value in extra.items()
        ),
        asr=float(v["asr"]),
        clean_accuracy=float(v["clean_accuracy"]),
        sigma_half=float(v["sigma_half"]),
        inputs=len(hit),
        hits=int(hit.sum()),
        w_clean=float(w["suspect/clean"].mean()),
        w_triggered=float(w["suspect/triggered"].mean()),
        w_twin_clean=float(w["clean/clean"].mean()),
        w_twin_triggered=float(w["clean/triggered"].mean()),
        effect=float(gain.mean()),
        effect_hit=float(gain[hit].mean()) if hit.any() else math.nan,
        effect_soft=float(_gain(soft).mean()),
        within=float((w["suspect/clean"] - w["suspect/triggered"]).mean()),
        superiority=superiority(w["suspect/triggered"], w["suspect/clean"]),
        superiority_twin=superiority(w["clean/triggered"], w["clean/clean"]),
        calmer_than_class=float(v["control"]["w"] - w["suspect/triggered"].mean()),
    )


def _gain(w: dict[str, Any]) -> Any:
    """For each input, the fall of W with the trigger on the backdoored model, minus the fall on the clean model."""
    return w["suspect/clean"] - w["suspect/triggered"] - (w["clean/clean"] - w["clean/triggered"])


def title_of(attack: str) -> str:
    """The name of an attack in tables."""
    return TITLES.get(attack, attack)
