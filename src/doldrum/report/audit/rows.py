"""Read the rows of an audit from rows.parquet, check every column, and convert the values to text and numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doldrum.errors import InputError
from doldrum.files import parquet_table
from doldrum.intake.text import visible

__all__ = ["STATES", "Row", "kept_text", "p_text", "read_rows", "score_text"]

STATES = ("not flagged", "discovery, not flagged", "flagged", "discovery")
_INVALID, _NOT_TAKEN = -1, -2


@dataclass(frozen=True)
class Row:
    """The result of one input. `rank` is 1 for the most suspicious input. In all texts of a row, the function `visible` has replaced invisible characters by codes."""

    rank: int
    id: str
    label: str
    score: float
    p_value: float | None
    flag: bool
    discovery: bool
    kept: tuple[float | None, ...]
    came_back: tuple[tuple[tuple[str, int], ...], ...]
    picture: str | None

    @property
    def state(self) -> str:
        """Whether the input is flagged or a discovery (an input that chance cannot explain), in words. An input can be
        a discovery without being flagged."""
        return STATES[self.state_number]

    @property
    def state_number(self) -> int:
        """The index of the state in STATES; a higher index is more suspicious."""
        return 2 * self.flag + self.discovery


def read_rows(path: Path, *, class_names: Sequence[str] | None, conditions: int) -> list[Row]:
    """Read the rows from `path`, most suspicious first (by p-value, then by score, then by their order in the file).

    Raises InputError if a column is missing or a value is invalid.
    """
    import pyarrow as pa

    try:
        table = parquet_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"expected a Parquet file at {path}, got {visible(str(error))}; run the audit again"
        ) from error
    wanted = ["id", "label", "score", "p_value", "flag", "discovery", "kept", "came_back", "picture"]
    if missing := [name for name in wanted if name not in table.column_names]:
        raise InputError(f"expected the columns {wanted} in {path}, got none named {missing}; run the audit again")
    columns = [table.column(name).to_pylist() for name in wanted]
    rows = [_row(values, class_names, conditions) for values in zip(*columns, strict=True)]
    rows.sort(key=lambda row: (2.0 if row.p_value is None else row.p_value, -row.score))
    return [_ranked(row, rank) for rank, row in enumerate(rows, 1)]


def p_text(value: float | None) -> str:
    """A p-value as text with four decimals.

    >>> p_text(0.01234), p_text(0.00001), p_text(None)
    ('0.0123', '<0.0001', 'none')
    """
    return "none" if value is None else "<0.0001" if value < 0.00005 else f"{value:.4f}"


def score_text(value: float) -> str:
    """A score as text with four significant digits.

    >>> score_text(12.34567), score_text(7.9), score_text(1234.0)
    ('12.35', '7.900', '1234')
    """
    return f"{value:#.4g}".rstrip(".")


def kept_text(value: float | None) -> str:
    """A share of draws (perturbed copies) as text, in whole percent.

    >>> kept_text(0.975), kept_text(None)
    ('98%', 'none taken')
    """
    return "none taken" if value is None else f"{math.floor(100 * value + 0.5)}%"


def _ranked(row: Row, rank: int) -> Row:
    from dataclasses import replace

    return replace(row, rank=rank)


def _row(values: Sequence[Any], class_names: Sequence[str] | None, conditions: int) -> Row:
    id_, label, score, p_value, flag, discovery, kept, came_back, picture = values
    kept = tuple(None if k is None or math.isnan(k) else min(max(float(k), 0.0), 1.0) for k in kept or ())
    if len(kept) != conditions:
        raise InputError(
            f"expected {conditions} shares of kept labels in every row, one for each probe and strength, got {len(kept)}; run the audit again"
        )
    if score is None or not math.isfinite(score):
        raise InputError(f"expected a finite score for {visible(str(id_))!r}, got {score}; run the audit again")
    return Row(
        rank=0,
        id=visible(str(id_)),
        label=class_name(label, class_names),
        score=float(score),
        p_value=None if p_value is None or math.isnan(p_value) else float(p_value),
        flag=bool(flag),
        discovery=bool(discovery),
        kept=kept,
        came_back=_labels(came_back, class_names, conditions),
        picture=None if picture is None else str(picture),
    )


def class_name(label: Any, names: Sequence[str] | None) -> str:
    """A label as text: the name of the class if it is known, else its number. Names pass through `visible`.

    >>> class_name(1, ["cat", "dog"]), class_name(7, None), class_name(-1, None), class_name("dog", None)
    ('dog', 'class 7', 'no valid answer', 'dog')
    """
    if isinstance(label, str):
        return visible(label)
    if label is None or label == _NOT_TAKEN:
        return "not taken"
    if label == _INVALID:
        return "no valid answer"
    return visible(str(names[label])) if names and 0 <= label < len(names) else f"class {label}"


def _labels(text: Any, names: Sequence[str] | None, conditions: int) -> tuple[tuple[tuple[str, int], ...], ...]:
    if text is None:
        return ((),) * conditions
    try:
        found = json.loads(text)
        made = tuple(tuple((class_name(label, names), int(count)) for label, count in one) for one in found)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"expected came_back to have [[label, count], ...] for each probe and strength, got {error}; run the audit again"
        ) from error
    if len(made) != conditions:
        raise InputError(
            f"expected came_back to have labels for {conditions} pairs of probe and strength, got labels for {len(made)} pairs; run the audit again"
        )
    return made
