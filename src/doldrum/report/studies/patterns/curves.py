"""Mean W at every noise strength, for each kind of pattern. A result at a single noise strength can be misleading."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from doldrum.records.study import CellRecord
from doldrum.report.studies.parts import StudyTable
from doldrum.report.studies.patterns.rows import CONTROL_KINDS, kind_of
from doldrum.report.words import number

__all__ = ["curve_table", "curves_of"]

Curves = dict[str, list[tuple[float, float]]]


def curves_of(cells: Sequence[CellRecord], *, level: str) -> tuple[list[float], Curves]:
    """The noise strengths that all cells share, and mean W at these strengths without and with each kind of pattern.

    Kinds of pattern that do not reach the success rate `level` are left out.
    """
    strengths = sorted(set.intersection(*({float(s) for s in c.cell["strengths"]} for c in cells)))
    found: dict[str, list[tuple[list[float], list[float]]]] = {}
    true = {kind_of(c)[0]: kind_of(c)[1] for c in cells}
    for cell in cells:
        conditions, at = cell.values["conditions"], cell.values["strengths"]
        if level in conditions:
            pair = tuple(
                [dict(zip(at, conditions[name]["w"], strict=True))[s] for s in strengths] for name in ("clean", level)
            )
            found.setdefault(kind_of(cell)[0], []).append((pair[0], pair[1]))
    order = sorted(found, key=lambda k: (not true[k], k in CONTROL_KINDS))
    means = {kind: np.mean(found[kind], axis=0) for kind in order}
    return strengths, {kind: [(float(a), float(b)) for a, b in m.T] for kind, m in means.items()}


def curve_table(cells: Sequence[CellRecord], *, level: str, caption: str) -> StudyTable:
    """A table of mean W without and with each kind of pattern, with one column per noise strength."""
    strengths, curves = curves_of(cells, level=level)
    return StudyTable(
        caption,
        ["pattern", *(f"σ {s:g}" for s in strengths)],
        [[kind, *(f"{number(a)} →\n{number(b)}" for a, b in values)] for kind, values in curves.items()],
    )
