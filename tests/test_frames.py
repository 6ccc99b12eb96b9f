"""to_frame: the types of its columns in pandas, in Arrow (which Polars reads), and in Polars itself where it is installed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import doldrum as dd
from doldrum.detectors.contract.result import ScanResult
from doldrum.responses import Responses

COLUMNS = {
    "scan": {"id": "text", "label": "int16", "score": "double", "p_value": "double", "flag": "bool"},
    "smoothness": {"id": "text", "label": "int16", "strength": "double", "w": "double", "w_lower": "double", "w_upper": "double"},
}  # fmt: skip


def frame_of(kind: str, n: int):
    ids, labels = [f"a{i}" for i in range(n)], np.arange(n, dtype=np.int16)
    if kind == "scan":
        scores = np.linspace(0, 1, n)
        return ScanResult(ids, labels, scores, 1 - scores / 2, scores > 0.5, 0.01, 100, 1).to_frame()
    return dd.smoothness(Responses(np.zeros((n, 1, 4), int), labels % 3, [0.1], 3, ids=ids)).to_frame()


@pytest.mark.parametrize("n", [3, 0])
@pytest.mark.parametrize("kind", COLUMNS)
def test_columns_keep_their_types_in_arrow_and_back(kind, n):
    frame = frame_of(kind, n)
    table = pa.Table.from_pandas(frame)
    types = {
        f.name: "text" if pa.types.is_large_string(f.type) or pa.types.is_string(f.type) else str(f.type)
        for f in table.schema
    }
    assert types == COLUMNS[kind]
    assert table.column("id").to_pylist() == [f"a{i}" for i in range(n)]
    assert table.to_pandas().equals(frame)


@pytest.mark.parametrize("n", [3, 0])
@pytest.mark.parametrize("kind", COLUMNS)
def test_polars_takes_the_frame(kind, n):
    """Not among what the tests need: run where Polars is."""
    polars = pytest.importorskip("polars")
    frame = frame_of(kind, n)
    for found in (polars.from_pandas(frame), polars.DataFrame(frame)):
        names = {"String": "text", "Int16": "int16", "Float64": "double", "Boolean": "bool"}
        assert {name: names[str(kind)] for name, kind in found.schema.items()} == COLUMNS[kind]
        assert found.rows() == list(frame.itertuples(index=False, name=None))
