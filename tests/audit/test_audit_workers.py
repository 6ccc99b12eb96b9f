"""An audit by workers: the same rows for every number of them, after deaths, and gone on with by another number; models stay confined."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from linear_onnx import linear_onnx
from mortal_helper import Mortal

from doldrum.audit import AuditSettings, run_audit
from doldrum.confined.scanning import helping
from doldrum.errors import InputError, WorkerError
from doldrum.records.audit import AuditRecord


def found(record: AuditRecord, out: Path) -> tuple[dict, pd.DataFrame]:
    told = record.to_dict()
    return {k: v for k, v in told.items() if k not in ("created", "command", "remarks")}, pd.read_parquet(
        out / "rows.parquet"
    )


@pytest.fixture
def model(tmp_path) -> Path:
    """Linear, in ONNX: a process that opens it starts in a moment."""
    return linear_onnx(tmp_path / "m.onnx")


def asked_of(model: Path, folder: Path, **more) -> AuditSettings:
    images = np.random.default_rng(1).integers(
        0, 256, (760, 1, 8, 8), dtype=np.uint8
    )  # more blocks than are under way at once
    folder.mkdir()
    for name, some in (("clean", images[:120]), ("images", images[120:])):
        np.save(folder / f"{name}.npy", some)
    given = {"images": str(folder / "images.npy"), "clean": str(folder / "clean.npy"), "out": str(folder / "out")}
    return AuditSettings(model=str(model), fpr=0.05, seed=1, inspect=False, explain=0, **given, **more)


def test_rows_and_record_are_those_of_one_process_whatever_befalls(model, tmp_path, monkeypatch) -> None:
    one = asked_of(model, tmp_path / "one")
    whole = found(run_audit(one), tmp_path / "one" / "out")
    asked = asked_of(model, tmp_path / "two", workers=3)
    deaths = tmp_path / "two" / "deaths"
    deaths.mkdir()
    for n in range(5):
        (deaths / str(n)).touch()
    monkeypatch.setenv("DOLDRUM_TEST_DEATHS", str(deaths))
    monkeypatch.setattr(helping, "Helper", Mortal)
    with monkeypatch.context() as patch:
        patch.setattr(importlib.import_module("doldrum.spread.spread"), "_TRIES", 1)
        with pytest.raises(WorkerError, match="run the same command again to continue"):
            run_audit(asked)
    assert (
        sorted(path.name for path in (tmp_path / "two" / "out" / "work").glob("rows-*"))[0]
        == "rows-000000000-000000064.jsonl"
    )
    for mark in list(deaths.iterdir())[1:]:
        mark.unlink()
    record = run_audit(dataclasses.replace(asked, workers=2))
    assert not list(deaths.iterdir())  # one more died, and was replaced
    again = found(record, tmp_path / "two" / "out")
    assert again[1].equals(whole[1])
    for name in ("flags", "verdict", "band", "promise", "concentration"):
        assert again[0][name] == whole[0][name]
    assert "--workers" not in record.command


def test_a_model_at_an_address_is_asked_by_one_process() -> None:
    with pytest.raises(InputError, match="expected a model in a file with workers= or ray=, got an address"):
        AuditSettings(model="https://somewhere.test/classify", images=".", out="new", workers=2)
    with pytest.raises(InputError, match="at least 1 as workers, got 0"):
        AuditSettings(model=".", images=".", out="new", workers=0)
