"""A study whose cells take a moment or fail when told to, for tests of runners and workers."""

from __future__ import annotations

import os
import time
from pathlib import Path

from doldrum.records.study import read_study
from doldrum.seeds import rng
from doldrum.studies.base import Cell, Study


def slow_values(cell: Cell) -> dict[str, float]:
    """A cell that takes a moment, fails where `DOLDRUM_TEST_FAIL` names its seed, and depends on the cell alone."""
    time.sleep(float(os.environ.get("DOLDRUM_TEST_SLEEP", "0")))
    if str(cell.seed) in os.environ.get("DOLDRUM_TEST_FAIL", "").split(","):
        raise ValueError(f"seed {cell.seed} was told to fail")
    with Path(os.environ["DOLDRUM_TEST_RUNS"]).open("a") as file:
        file.write(f"{cell.seed}\n")
    return {"value": float(rng(cell.seed, "test").normal()), "process": os.getpid() * 0}


TOY = Study("toy", Cell, slow_values, {"quick": {"data": "digits", "seed": list(range(8))}})


def values(folder):
    return [(r.key, r.cell["seed"], r.values) for r in read_study(folder).cells]
