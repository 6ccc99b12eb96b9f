"""One row a model from the records of cells that compare a backdoored model with its clean twin."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from doldrum.records.study import CellRecord
from doldrum.stats.effects import Effect, superiority

__all__ = [
    "ModelRow",
    "between",
    "counted",
    "listed",
    "model_rows",
    "number",
    "span",
    "spoken",
    "taken_away",
    "title_of",
]

TITLES = {
    "badnets": "BadNets", "all-to-all": "all-to-all", "blended": "Blended", "sig": "SIG", "wanet": "WaNet", "tact": "TaCT",
    "clean": "none (two clean models)", "label-consistent": "label-consistent", "trojannn": "TrojanNN", "issba": "ISSBA",
    "input-aware": "input-aware", "bpp": "BPP", "lf": "low frequency", "ftrojan": "FTrojan", "adap-blend": "Adap-Blend",
    "adap-patch": "Adap-Patch", "lsba": "LSBA", "noise-hardened": "noise-hardened", "anti-smoothing": "anti-smoothing",
}  # fmt: skip


@dataclass(frozen=True)
class ModelRow:
    """A backdoored model, measured against its clean twin at sigma-half; every W is a mean over inputs.

    `effect` is the difference in differences, positive where the trigger smooths; `effect_hit` the same over inputs whose
    triggered form gets the attacker's label, NaN where none does; `effect_soft` with W of mean probabilities. `within` is
    W(x) - W(T(x)) on the backdoored model alone, `superiority` the probability that T(x) is smoother than x there,
    `calmer_than_class` mean W of clean inputs of the claimed class less W(T(x)).
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
    """The rows of all cells that have W at sigma-half, in order."""
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
    """Per input: how much calmer the trigger makes it on the backdoored model than on the clean one."""
    return w["suspect/clean"] - w["suspect/triggered"] - (w["clean/clean"] - w["clean/triggered"])


def title_of(attack: str) -> str:
    """What an attack is called in tables."""
    return TITLES.get(attack, attack)


def number(value: float, digits: int = 3, *, sign: bool = False) -> str:
    """A figure, or an en dash where there is none.

    >>> number(0.12345), number(-0.0004), number(0.1, sign=True), number(float("nan"))
    ('0.123', '0.000', '+0.100', '–')
    """
    if not math.isfinite(value):
        return "–"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.replace("-", "").replace("+", "")


def span(effect: Effect, *, sign: bool = True) -> str:
    """An effect with its interval, in words that fit a table.

    >>> span(Effect(0.1, 0.05, 0.15, 0.01, 10, "t"))
    '+0.100 (+0.050 to +0.150)'
    """
    if not (math.isfinite(effect.lower) and math.isfinite(effect.upper)):
        return number(effect.value, sign=sign)
    low, high = number(effect.lower, sign=sign), number(effect.upper, sign=sign)
    return f"{number(effect.value, sign=sign)} ({low} to {high})"


def taken_away(effect: Effect, p_corrected: float, tests: int) -> str:
    """Why an effect whose own interval leaves 0 out is not shown after all; empty for others.

    >>> taken_away(Effect(0.1, 0.01, 0.19, 0.03, 10, "t"), 0.18, 6)
    '; that interval alone leaves 0 out, but p = 0.180 once corrected for 6 tests'
    >>> taken_away(Effect(0.1, -0.01, 0.2, 0.06, 10, "t"), 0.3, 6), taken_away(Effect(0.1, 0.01, 0.2, 0.01, 9, "t"), 0.02, 2)
    ('', '')
    """
    if p_corrected <= 0.05 or effect.lower <= 0 <= effect.upper:
        return ""
    return f"; that interval alone leaves 0 out, but p = {number(p_corrected)} once corrected for {tests} tests"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them; by semicolons where one of them holds a comma.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a (1, 2)", "b"])
    ('a', 'a, b and c', 'a (1, 2) and b')
    """
    if len(names) < 2:
        return "".join(names)
    comma = "; " if len(names) > 2 and any("," in n for n in names) else ", "
    return comma.join(names[:-1]) + f"{';' if comma == '; ' else ''} and {names[-1]}"


def counted(n: int, word: str) -> str:
    """A number with its noun.

    >>> counted(1, "model"), counted(1200, "model")
    ('1 model', '1,200 models')
    """
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def between(counts: Iterable[int]) -> str:
    """The least and the greatest of some counts, once where they are the same.

    >>> between([200, 200]), between([54, 60, 55])
    ('200', '54 to 60')
    """
    low, *_, high = sorted([*counts] * 2)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def spoken(effect: Effect) -> str:
    """An effect with its interval, as part of a sentence.

    >>> spoken(Effect(0.1, 0.05, 0.15, 0.01, 10, "t"))
    '+0.100, 95% +0.050 to +0.150'
    """
    return span(effect).replace(" (", ", 95% ").rstrip(")")
