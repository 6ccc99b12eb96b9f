"""tools/few-images-study: its table, from records made by hand, and its counts on a small model."""

from __future__ import annotations

import numpy as np
from tool_files import load_tool

from doldrum.studies.detection.study import DetectionCell

study = load_tool("few-images-study")


def record(hits: int, found: list[int], false: list[int]) -> dict:
    size = {"fit": 11, "calibration": 19, "rate": 0.05, "tested": 200, "hits": found, "false": false}
    return {"data": "d", "recipe": "r", "attack": "a", "seed": 0, "classes": 10, "hits": hits, "sizes": [size]}


def test_a_line_has_the_mean_over_models_the_lowest_model_and_the_lowest_split():
    rows = [record(100, [100, 50], [10, 10]), record(50, [25, 25], [20, 0]), {**record(9, [], []), "sizes": []}]
    assert study.table(rows).splitlines()[2:] == ["| `d`, `r` | 10 | 2 | 11 + 19 | 5% | 0.62 | 0.50 | 0.83 | 5.0% |"]


def test_more_images_find_more_and_the_promise_is_kept(monkeypatch):
    for name, value in {
        "SIZES": ((11, 19), (60, 60)), "POOL": 220, "TRIGGERED": 30, "FEWEST_HITS": 20, "OVERLAYS": 100,
    }.items():  # fmt: skip
        monkeypatch.setattr(study, name, value)
    cell = DetectionCell(
        data="digits", recipe="digits-mlp", changes={"epochs": 3}, attack="badnets", fit=100, calibration=110, test=110, inputs=30,
    )  # fmt: skip
    found = study.measured(cell, 3)
    few, many = found["sizes"]
    assert (few["rate"], many["rate"]) == (0.05, 0.05)
    assert (few["tested"], many["tested"]) == (190, 100)
    assert found["classes"] == 10
    assert 20 <= found["hits"] <= 30
    assert len(few["hits"]) == len(many["false"]) == 3
    assert np.mean(many["hits"]) > 0.5 * found["hits"]
    assert np.mean(many["false"]) < 20
