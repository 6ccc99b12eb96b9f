"""docs/results/watch.md shows what the records of the study say, and its streams are what they are called."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from watching.streams import delays, false_alarms
from watching.tables import attack_table, clean_table, drift_table

RESULTS = Path(__file__).parents[2] / "docs/results/watch"


@pytest.mark.parametrize(("file", "table"), [("clean", clean_table), ("delays", drift_table), ("delays", attack_table)])
def test_the_page_shows_the_records(file, table):
    rows = json.loads((RESULTS / f"{file}.json").read_text())["rows"]
    assert table(rows) in RESULTS.with_suffix(".md").read_text(encoding="utf-8")


def test_streams_of_clean_scores_and_of_changed_ones():
    chance = np.random.default_rng(0)
    pool = chance.normal(size=1500)
    row = false_alarms(pool, calibration=200, length=5000, runs=3)
    assert (row["length"], row["runs"], row["trap"]) == (1300, 3, None)
    assert list(row["said"]) == ["0.01", "0.02", "0.05", "0.1", "0.2"]
    scores = {"clean": pool, "bright": chance.normal(2, size=50), "triggered": np.full(9, 9.0)}
    more = {"calibration": 400, "before": 300, "after": 800, "runs": 4}
    row = delays(scores, "bright", share=1.0, **more)
    assert row["drift"] + row["early"] == 4
    assert row["after"] == 800
    first, last = row["first"][0], row["last"][0]
    assert 0 < first <= last < 100
    row = delays(scores, "triggered", share=0.5, **more)
    assert row["attack"] + row["early"] == 4
    assert row["first"][1] < 30 < 400 < row["last"][1] < 520
