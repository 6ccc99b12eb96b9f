"""An audit that inspects the model too: one report for both questions, one exit code, and one bound on time."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from audit_material import here as scanned_here
from audit_material import settings

from doldrum.audit import AuditSettings, run_audit
from doldrum.audit import inspected as part
from doldrum.confined import sending
from doldrum.errors import ClassifierError, InputError
from doldrum.records.audit import AuditRecord
from doldrum.report.audit.page import write_audit_page

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "inspecting"))


@pytest.fixture(autouse=True)
def _near(near):
    pass


@pytest.fixture
def inspects(monkeypatch):
    """Inspections in the place of real ones: what they were asked, and what they end in."""
    from inspection_sample import sample, write_sample

    asked = []

    def run(wanted, *, progress, say):
        asked.append(wanted)
        if isinstance(run.ends, Exception):
            raise run.ends
        write_sample(Path(wanted.out), run.ends)
        return run.ends

    run.ends, run.asked = sample(), asked
    monkeypatch.setattr(part, "run_inspection", run)
    return run


def _audit(material, tmp_path, **more):
    return run_audit(
        settings(
            material,
            tmp_path,
            material.images[:200],
            material.images[200:260],
            **{"inspect": None, "small": True, **more},
        )
    )


def test_one_record_and_one_page_answer_both_questions(material, tmp_path, inspects):
    record = _audit(material, tmp_path)
    assert record.verdict["exit_code"] == 3  # of the model alone
    assert record.verdict["heading"].endswith("Model: heading plain")
    assert record.inspection == inspects.ends.to_dict()
    assert record == AuditRecord.load(tmp_path / "out" / "record.json")
    assert (tmp_path / "out" / "inspection" / "record.json").is_file()
    text = write_audit_page(tmp_path / "out").read_text(encoding="utf-8")
    section = text[text.index('id="inspection"') : text.index('id="limits"')]
    assert "Heading plain" in section
    assert section.count("data:image/png") == 6
    asked = inspects.asked[0]
    assert asked.clean == str(tmp_path / "clean.npy")
    assert asked.seed == 0


def test_a_model_that_cannot_be_inspected_does_not_end_the_audit(material, tmp_path, inspects):
    inspects.ends = ClassifierError("it has no gradients")
    record = _audit(material, tmp_path)
    assert record.inspection is None
    assert "The model itself was not inspected: it has no gradients." in record.verdict["sentences"]
    assert 'id="inspection"' not in write_audit_page(tmp_path / "out").read_text(encoding="utf-8")


def test_a_finished_inspection_is_not_done_again_when_the_scan_was_cut_off(material, tmp_path, inspects, monkeypatch):
    def cut(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sending, "run_confined", cut)
    with pytest.raises(KeyboardInterrupt):
        _audit(material, tmp_path)
    assert (tmp_path / "out" / "work" / "inspection" / "record.json").is_file()
    assert json.loads((tmp_path / "out" / "audit.json").read_text())["seed"] == 1
    monkeypatch.setattr(sending, "run_confined", scanned_here)
    monkeypatch.setattr(part, "run_inspection", lambda wanted, **_: inspects.ends)
    assert _audit(material, tmp_path).inspection is not None


def test_what_is_left_of_the_budget_is_the_scans(material, tmp_path, inspects, monkeypatch):
    sent, now = [], iter([0.0, 30.0])
    monkeypatch.setattr(part, "clock", lambda: next(now))

    def cut(function, argument, **more):
        sent.append(argument["settings"]["budget"])
        raise KeyboardInterrupt

    monkeypatch.setattr(sending, "run_confined", cut)
    with pytest.raises(KeyboardInterrupt):
        _audit(material, tmp_path, small=False, budget=100.0)
    assert (inspects.asked[0].budget, sent) == (50.0, [70.0])


@pytest.mark.parametrize(
    ("more", "inspects"),
    [({}, True), ({"inspect": False}, False), ({"clean": None}, False), ({"model": "http://127.0.0.1:1/x"}, False),
     ({"model": "http://127.0.0.1:1/x", "inspect": True}, True)],
)  # fmt: skip
def test_when_a_model_is_inspected(tmp_path, more, inspects):
    np.save(tmp_path / "x.npy", np.zeros(1))
    given = {
        "model": str(tmp_path / "x.npy"),
        "images": str(tmp_path / "x.npy"),
        "clean": str(tmp_path / "x.npy"),
        "out": "r",
    }
    assert AuditSettings(**(given | more)).inspects is inspects


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"inspect": True}, "expected clean= images with inspect="),
        ({"references": "."}, "expected clean= images with references="),
        ({"references": ".", "clean": ".", "inspect": False}, "expected references= with an inspection"),
    ],
)
def test_options_that_do_not_fit_are_refused(more, told):
    with pytest.raises(InputError, match=told):
        AuditSettings(**({"model": ".", "images": ".", "out": "r"} | more))


def test_too_few_references_are_told_before_any_work(material, tmp_path):
    from onnx_toys import references

    with pytest.raises(InputError, match="at least 19 reference models"):
        _audit(material, tmp_path, references=str(references(tmp_path / "refs", 2)))
    assert not (tmp_path / "out").exists()
