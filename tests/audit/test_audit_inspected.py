"""An audit that inspects the model too: one report for both questions, one exit code, and one bound on time."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from audit_material import settings
from inspection_sample import sample, write_sample

from doldrum.audit import AuditSettings, run_audit
from doldrum.audit import inspected as part
from doldrum.confined import sending
from doldrum.confined.folder import holds_work
from doldrum.confined.scanning import budget, scan
from doldrum.errors import ClassifierError, DoldrumError, InputError, SandboxError
from doldrum.inspecting import InspectSettings
from doldrum.records.audit import AuditRecord
from doldrum.report.audit.page import write_audit_page

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "inspecting"))


@pytest.fixture(autouse=True)
def _near(near):
    pass


@pytest.fixture
def inspects(monkeypatch):
    """Inspections in the place of real ones: what they were asked, and what they end in."""
    asked = []

    def run(wanted, *, progress, say):
        asked.append(wanted)
        if isinstance(run.ends, BaseException):
            raise run.ends
        write_sample(Path(wanted.out), run.ends)
        return run.ends

    run.ends, run.asked = sample(), asked
    monkeypatch.setattr(part, "run_inspection", run)
    return run


def _audit(material, tmp_path, say=lambda line: None, **more):
    images = material.images[:200], material.images[200:260]
    if more.pop("small", True):
        more["budget"] = 2 * settings(material, tmp_path, *images, small=True).budget  # half is the scan's
    return run_audit(settings(material, tmp_path, *images, **{"inspect": None, **more}), say=say)


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


def test_what_the_scan_refuses_is_told_before_the_inspection_and_leaves_nothing(material, tmp_path, inspects):
    few = settings(material, tmp_path, material.images[:100], material.images[200:260], inspect=None)
    with pytest.raises(InputError, match="at least 149 clean images"):
        run_audit(few)
    assert inspects.asked == []
    assert not (tmp_path / "out").exists()  # or the corrected command would be refused
    assert _audit(material, tmp_path).inspection is not None


@pytest.mark.parametrize(
    "end", [KeyboardInterrupt("Ctrl-C"), InputError("other references"), SandboxError("no memory")]
)
def test_a_scan_is_kept_where_the_inspection_fails_or_is_cut_off(material, tmp_path, inspects, monkeypatch, end):
    said, scanned, write_rows = [], [], scan.write_rows
    monkeypatch.setattr(scan, "write_rows", lambda *args: scanned.append(1) or write_rows(*args))
    inspects.ends, sound = end, inspects.ends
    with pytest.raises(type(end), match=str(end)):  # not taken for facts that can't be
        _audit(material, tmp_path, say=said.append)
    assert any("run the same command again to continue the inspection" in line for line in said) is isinstance(
        end, DoldrumError
    )
    assert not (tmp_path / "out" / "record.json").exists()
    assert holds_work(tmp_path / "out")
    before, inspects.ends = len(scanned), sound
    assert before > 0
    record = _audit(material, tmp_path)
    assert len(scanned) == before  # no image was scanned again
    assert record.images["scanned"] == 60
    assert record.inspection == sound.to_dict()
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["audit.json", "inspection", "pictures", "record.json", "rows.parquet"]


@pytest.mark.parametrize(("took", "left"), [(30.0, 50.0), (80.0, 20.0), (200.0, 1.0)])
def test_the_scan_has_half_of_the_budget_and_the_inspection_what_is_left(
    material, tmp_path, inspects, monkeypatch, answered, took, left
):
    sent, now = [], iter([0.0, took])
    monkeypatch.setattr(part, "clock", lambda: next(now))

    def scanned(function, argument, **more):
        sent.append((argument["settings"]["budget"], argument["settings"]["share"]))
        return answered.again(function, argument, **more)

    monkeypatch.setattr(sending, "run_confined", scanned)
    _audit(material, tmp_path, small=False, budget=100.0)
    assert sent == [(100.0, 0.5)]
    assert inspects.asked[0].budget == pytest.approx(left)


@pytest.mark.parametrize(("more", "most"), [({}, 1800.0), ({"budget": 100.0}, 50.0)])
def test_the_most_that_an_inspection_takes(material, tmp_path, more, most):
    asked = settings(material, tmp_path, material.images[:200], material.images[200:260], **{"inspect": None, **more})
    assert (asked.inspection.budget, asked.share) == (most, 0.5)
    assert Path(asked.inspection.out) == tmp_path / "out" / "inspection"


def test_a_budget_that_is_refused_is_told_as_it_was_given(material, tmp_path, inspects):
    least = 1e-4 * 260 * budget.forwards_of((1, 8, 8), budget.LADDER[0]) / 0.85
    told = f"at least {2 * least:.0f}s for 260 images on this machine, got {1.9 * least:.0f}s.*--no-inspect, which would use 50% of the budget"
    with pytest.raises(InputError, match=told):
        _audit(material, tmp_path, small=False, budget=1.9 * least)
    assert inspects.asked == []
    _audit(material, tmp_path, small=False, budget=2.1 * least)


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
        ({"inspect": True}, r"expected clean images \(clean=\) together with inspect="),
        ({"references": "."}, r"expected clean images \(clean=\) together with references="),
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


def test_images_that_the_scan_sent_to_an_endpoint_count_for_the_inspection(tmp_path, inspects):
    np.save(tmp_path / "clean.npy", np.zeros((30, 1, 8, 8), np.uint8))
    asked = InspectSettings(
        model="http://127.0.0.1:1/x", clean=str(tmp_path / "clean.npy"), out=str(tmp_path / "out"), endpoint_queries=100
    )
    part.Inspected().run(asked, budget=None, sent=30, progress=False, say=print)
    assert inspects.asked[0].endpoint_queries == 70


def test_what_the_scan_and_the_inspection_both_say_is_said_once(material, tmp_path, inspects):
    from doldrum.report.audit.view import of_model

    said = "The model's accuracy was not checked, since the clean images have no labels."
    verdict = sample().verdict | {"sentences": [said, "Only of the model."]}
    inspects.ends = sample(verdict=verdict)
    record = _audit(material, tmp_path)
    assert said in record.verdict["sentences"]
    assert of_model(record.verdict["sentences"], record.inspection) == ["Only of the model."]
    text = write_audit_page(tmp_path / "out").read_text(encoding="utf-8")
    assert text.count("accuracy was not checked") == 1
    assert "Only of the model." in text
