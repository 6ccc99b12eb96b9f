"""The audit's page with explanations: a section of their own, hostile names escaped; audits of before have none."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
from audit_sample import sample_audit
from PIL import Image

from doldrum.records.audit import AuditRecord
from doldrum.records.explanations import Explanation, Explanations, Success
from doldrum.report.audit.page import write_audit_page

PROVEN = Explanation(
    image="<img src=x>", label=0, proven=True, why="Pasting its 3 x 3 pixels turned 96%.", kind="region", size="3 x 3 pixels",
    where={"top": 25, "left": 25, "height": 3, "width": 3}, success=Success(96, 100, 0.96, 0.9, 0.99),
    control=Success(2, 100, 0.02, 0.0, 0.07), controls=20, p_value=1e-20, p_adjusted=2e-20, rank=1 / 21,
    labels={"clean": (3,), "found": (0,), "control": (3,)},
)  # fmt: skip
NOT = Explanation(image="b.png", label=1, proven=False, why="Nothing in this image took its class along.")


def test_explanations_have_a_section_with_pictures(tmp_path):
    record = sample_audit(tmp_path, rows=60)
    found = Explanations(explained=(NOT, PROVEN), alpha=0.05, seed=1, clean=900, queries=5000)
    record = dataclasses.replace(record, explanations=found)
    record.save(tmp_path / "record.json")
    assert AuditRecord.load(tmp_path / "record.json") == record
    (tmp_path / "explanations").mkdir()
    for name in ("image", "clean-0", "with-found-0", "with-control-0"):
        Image.fromarray(np.zeros((28, 28), np.uint8)).save(tmp_path / "explanations" / f"001-{name}.png")
    page = write_audit_page(tmp_path).read_text(encoding="utf-8")
    section = page.partition('id="explained"')[2].partition("</section>")[0]
    assert "A trigger is proven in 1 of 2 images" in section
    assert section.count("data:image/png;base64,") == 4
    assert "&lt;img src=x&gt;" in section
    assert "<img src=x>" not in page
    assert section.index("proven</span>") < section.index("unproven</span>")
    assert "0: T-shirt" in section


def test_an_audit_of_before_has_no_such_section(tmp_path):
    sample_audit(tmp_path, rows=60)
    old = json.loads((tmp_path / "record.json").read_text())
    del old["explanations"]
    (tmp_path / "record.json").write_text(json.dumps(old))
    shutil.rmtree(tmp_path / "explanations", ignore_errors=True)
    assert 'id="explained"' not in write_audit_page(tmp_path).read_text(encoding="utf-8")
