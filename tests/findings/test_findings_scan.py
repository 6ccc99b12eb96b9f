"""Findings of a scan's folder: the same flags and discoveries as its summary."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sarif_schema import checked_run

from doldrum.findings import of_scan
from doldrum.findings.places import Place, image_place, uri_of
from doldrum.findings.sarif import sarif


@pytest.fixture
def scan(tmp_path, monkeypatch):
    """Two shards of p-values: ten far out, five flagged more, 85 like clean ones."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "verdicts").mkdir()
    p = np.concatenate([np.full(10, 1 / 1000), np.full(5, 0.05), np.linspace(0.06, 1, 85)])
    frame = pd.DataFrame(
        {
            "id": [f"{i}.png" for i in range(100)],
            "label": np.int16(3),
            "score": np.where(p < 0.01, np.inf, -p),
            "p_value": p,
            "flag": p <= 0.05,
        }
    )
    frame[:60].to_parquet("verdicts/part-00000.parquet", index=False)
    frame[60:].to_parquet("verdicts/part-00001.parquet", index=False)
    return {
        "shards": [{"file": "part-00000.parquet"}, {"file": "part-00001.parquet"}],
        "fdr": 0.05, "num_calibration": 999, "flagged": 15, "limit": 9, "discoveries": 10, "more_than_promised": True,
        "suspicious": True, "inputs": 100, "fpr": 0.05, "detector": "profile", "skipped": [{"path": "x.png", "reason": "cut off"}],
        "watch": {"kind": "flags", "words": "more flags", "alpha": 0.01},
    }  # fmt: skip


def test_discoveries_are_errors_and_other_flags_warnings(scan):
    found = of_scan(scan, "verdicts", model="m.onnx", images="inbox.zip", sentences=["told"])
    run = checked_run(sarif(found))
    assert [r["level"] for r in run["results"]] == ["error"] * 10 + ["warning"] * 5
    assert sum(r["properties"]["discovery"] for r in run["results"]) == scan["discoveries"]
    assert run["results"][0]["properties"]["score"] is None  # an infinite score is no JSON
    assert run["invocations"][0]["exitCode"] == 3
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == 1


def test_no_alarm_is_notes_alone(scan):
    quiet = {**scan, "fdr": 1e-4, "suspicious": False, "discoveries": 0, "more_than_promised": False}
    run = checked_run(sarif(of_scan(quiet, "verdicts", model="m.onnx", images="inbox.zip")))
    assert [r["level"] for r in run["results"]] == ["note"] * 15


def test_where_an_image_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inbox" / "a").mkdir(parents=True)
    (tmp_path / "inbox" / "a" / "ü 1.png").touch()
    (tmp_path / "secret.png").touch()
    (tmp_path / "inbox.zip").touch()
    assert image_place("inbox", "a/ü 1.png", model="m") == Place("inbox/a/%C3%BC%201.png")
    assert image_place(str(tmp_path / "inbox"), "a/ü 1.png", model="m") == Place("inbox/a/%C3%BC%201.png")
    assert image_place("inbox.zip", "a.png", model="m") == Place("inbox.zip", "a.png")
    # a name that leads out of the folder names no file there
    assert image_place("inbox", "../secret.png", model="m") == Place("inbox", "../secret.png")
    assert image_place("inbox", str(tmp_path / "secret.png"), model="m").uri == "inbox"
    assert image_place("digits:test", "7", model="m.onnx") == Place("m.onnx", "7")
    assert uri_of("../other/m.onnx").startswith("file:///")
    assert uri_of("a:b.png") == "a%3Ab.png"  # no scheme
