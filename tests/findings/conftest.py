"""An audit on disk, and its findings."""

from __future__ import annotations

from pathlib import Path

import pytest
from audit_sample import sample_audit

from doldrum.findings import Findings, of_audit
from doldrum.records.audit import AuditRecord


@pytest.fixture
def audit(tmp_path, monkeypatch) -> AuditRecord:
    """500 images, about 50 of them triggered, in the folder `report` of the working folder; `suspects` and `model.onnx` are there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suspects" / "images").mkdir(parents=True)
    for i in range(500):
        (tmp_path / "suspects" / "images" / f"{i:05d}.png").touch()
    Path("model.onnx").touch()
    return sample_audit(Path("report"))


@pytest.fixture
def audited(audit) -> Findings:
    return of_audit(audit, "report", model="model.onnx", images="suspects")
