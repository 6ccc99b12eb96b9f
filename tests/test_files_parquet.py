"""Parquet is read on the caller's thread: nothing of pyarrow's outlives the call."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq

from doldrum.files import parquet_table

_COUNT = """
import sys, os
from doldrum.files import parquet_table
import pyarrow.parquet
before = len(os.listdir("/proc/self/task"))
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        parquet_table(file.read())
    parquet_table(path)
print(len(os.listdir("/proc/self/task")) - before)
"""


def test_bytes_and_paths_give_the_table_and_no_thread_is_left(tmp_path) -> None:
    table = pa.table({"draws": [[1, 2], [3, 4]], "id": ["a", "b"]})
    paths = [str(tmp_path / f"{i}.parquet") for i in range(4)]
    for path in paths:
        pq.write_table(table, path)
    with open(paths[0], "rb") as file:
        assert parquet_table(file.read()).equals(table)
    assert parquet_table(paths[0]).equals(table)
    done = subprocess.run([sys.executable, "-c", _COUNT, *paths], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "0", done
