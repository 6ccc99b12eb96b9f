"""Outside of the confined process: check each row that the process wrote, and write rows.parquet from these rows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.files import write_whole
from doldrum.intake import visible

__all__ = ["Rows", "read_rows", "write_parquet"]

_LINE = 1 << 22  # bytes of one row
_PIECE = 4096  # rows written at a time


@dataclass(frozen=True, eq=False)
class Rows:
    """The labels, scores and p-values of all scanned images, in the order of the image numbers. `files` are the files
    with these values. In a ranking, the p-values are None."""

    files: tuple[Path, ...]
    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    p_values: NDArray[np.float64] | None

    def order(self) -> NDArray[np.int64]:
        """The image numbers, most suspicious first: sorted by p-value, then by score, then by number."""
        p = np.ones(len(self.labels)) if self.p_values is None else self.p_values
        return np.lexsort((-self.scores, p))


def read_rows(folder: Path, *, count: int, num_classes: int, conditions: int, ranking: bool) -> Rows:
    """Read the rows of the images 0 to count - 1. Raises InputError unless each image has exactly one row of the right
    form."""
    files = (*sorted(folder.glob("rows-*.jsonl")), *folder.glob("reference.jsonl"))
    labels, scores = np.full(count, -3, dtype=np.int64), np.zeros(count)
    p_values = None if ranking else np.ones(count)
    for row in _rows(files, count=count, num_classes=num_classes, conditions=conditions, ranking=ranking):
        i = row["i"]
        if labels[i] != -3:
            raise InputError(f"expected one row per image from the confined process, got two rows of image {i}")
        labels[i], scores[i] = row["label"], row["score"]
        if p_values is not None:
            p_values[i] = row["p"]
    if (labels == -3).any():
        raise InputError(f"expected {count} rows from the confined process, got {int((labels != -3).sum())} rows")
    return Rows(files, labels, scores, p_values)


def write_parquet(
    path: Path,
    rows: Rows,
    *,
    flags: NDArray[np.bool_],
    discoveries: NDArray[np.bool_],
    pictures: Mapping[int, str],
    num_classes: int,
    conditions: int,
) -> None:
    """Write rows.parquet, with one row per image in the order of the scan. The columns are id, label, score, p_value,
    flag, discovery, kept, came_back and picture."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            ("id", pa.string()), ("label", pa.int16()), ("score", pa.float64()), ("p_value", pa.float64()),
            ("flag", pa.bool_()), ("discovery", pa.bool_()), ("kept", pa.list_(pa.float64())),
            ("came_back", pa.string()), ("picture", pa.string()),
        ]
    )  # fmt: skip

    def table(some: list[dict[str, Any]]) -> Any:
        i = [row["i"] for row in some]
        return pa.table(
            {
                "id": [visible(row["id"]) for row in some],
                "label": [row["label"] for row in some],
                "score": [row["score"] for row in some],
                "p_value": [row["p"] for row in some],
                "flag": [bool(flags[n]) for n in i],
                "discovery": [bool(discoveries[n]) for n in i],
                "kept": [row["kept"] for row in some],
                "came_back": [json.dumps(row["back"], separators=(",", ":")) for row in some],
                "picture": [pictures.get(n) for n in i],
            },
            schema=schema,
        )

    found = _rows(
        rows.files,
        count=len(rows.labels),
        num_classes=num_classes,
        conditions=conditions,
        ranking=rows.p_values is None,
    )

    def write(draft: Path) -> None:
        with pq.ParquetWriter(draft, schema) as writer:
            piece: list[dict[str, Any]] = []
            for row in found:
                piece.append(row)
                if len(piece) == _PIECE:
                    writer.write_table(table(piece))
                    piece = []
            writer.write_table(table(piece))

    write_whole(path, write)


def _rows(
    files: tuple[Path, ...], *, count: int, num_classes: int, conditions: int, ranking: bool
) -> Iterator[dict[str, Any]]:
    for path in files:
        with path.open("rb") as file:
            while line := file.readline(_LINE + 1):
                try:
                    row = json.loads(line) if len(line) <= _LINE else None
                except (ValueError, RecursionError):
                    row = None
                if not _fine(row, count=count, num_classes=num_classes, conditions=conditions, ranking=ranking):
                    raise InputError(
                        f"expected rows of the right form from the confined process, got a line of another form in {path.name}"
                    )
                yield row  # pyright: ignore[reportReturnType]


def _fine(row: Any, *, count: int, num_classes: int, conditions: int, ranking: bool) -> bool:
    if not isinstance(row, dict) or set(row) != {"i", "id", "label", "score", "p", "kept", "back"}:
        return False
    p, back = row["p"], row["back"]
    return (
        _whole(row["i"], 0, count)
        and isinstance(row["id"], str)
        and _whole(row["label"], -1, num_classes)
        and _number(row["score"], -1e9, 1e9)
        and (p is None if ranking else _number(p, 0.0, 1.0) and p > 0)
        and isinstance(row["kept"], list)
        and isinstance(back, list)
        and len(row["kept"]) == len(back) == conditions
        and all(k is None or _number(k, 0.0, 1.0) for k in row["kept"])
        and all(isinstance(one, list) and all(_counted(pair, num_classes) for pair in one) for one in back)
    )


def _counted(pair: Any, num_classes: int) -> bool:
    return (
        isinstance(pair, list) and len(pair) == 2 and _whole(pair[0], -1, num_classes) and _whole(pair[1], 0, 1 << 31)
    )


def _whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value < high


def _number(value: Any, low: float, high: float) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and low <= value <= high
    )
