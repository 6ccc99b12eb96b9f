"""Figures of the records, written as the docs write them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from results import pages

Row = Mapping[str, Any]


class Studies:
    """What each study's page says, by the name of its folder in docs/results; see `pages.read_built`."""

    def __init__(self) -> None:
        pages.ensure_built()
        self._read: dict[str, dict[str, Any]] = {}
        self._cells: dict[str, list[Any]] = {}

    def __getitem__(self, name: str) -> dict[str, Any]:
        if name not in self._read:
            self._read[name] = pages.read_built(pages.RESULTS / name) or {}
        return self._read[name]

    def cells(self, name: str) -> list[Any]:
        """The finished cells of the study's records, each with `cell` and `values`."""
        from doldrum.records.study import read_study

        if name not in self._cells:
            self._cells[name] = list(read_study(pages.RESULTS / name).cells)
        return self._cells[name]

    def rows(self, name: str, table: str, **wanted: Any) -> list[Row]:
        """The rows of one of the study's tables whose columns have these values; at least one."""
        found = [r for r in self[name]["csv"][table] if all(r[k] == v for k, v in wanted.items())]
        if not found:
            raise LookupError(f"expected rows of {table} in docs/results/{name} with {wanted}, got none")
        return found


def short(value: float, digits: int = 2) -> str:
    """Without the zero before the point.

    >>> short(0.944), short(-0.0765, 3), short(1.0), short(0.0)
    ('.94', '-.076', '1.00', '.00')
    """
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def signed(value: float, digits: int = 3) -> str:
    """With its sign always.

    >>> signed(0.1461), signed(-0.0765)
    ('+.146', '-.076')
    """
    return ("+" if value >= 0 else "") + short(value, digits)


def limits(found: Row, digits: int = 3) -> str:
    """The interval of something with `lower` and `upper`.

    >>> limits({"lower": 0.1124, "upper": 0.1798})
    '.112 to .180'
    """
    return f"{short(found['lower'], digits)} to {short(found['upper'], digits)}"


def hundredths(share: float, digits: int = 1) -> str:
    """A share in percent, without the sign for it.

    >>> hundredths(0.0665), hundredths(0.0665, 0)
    ('6.7', '7')
    """
    return f"{100 * share:.{digits}f}"


def mean(values: Iterable[float]) -> float:
    """Of those that are numbers.

    >>> mean([1.0, float("nan"), 2.0])
    1.5
    """
    numbers = [v for v in values if not math.isnan(v)]
    return sum(numbers) / len(numbers)


def mean_over_attacks(rows: Sequence[Row], of: str | Callable[[Row], float]) -> float:
    """Mean over attacks of the mean over each attack's models."""
    value: Callable[[Row], float] = of if callable(of) else lambda row: row[of]
    by: dict[str, list[float]] = {}
    for row in rows:
        by.setdefault(row["attack"], []).append(value(row))
    return mean(mean(v) for v in by.values() if not all(map(math.isnan, v)))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown, its first column to the left and the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
