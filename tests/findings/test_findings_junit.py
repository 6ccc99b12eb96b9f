"""JUnit XML, read by another parser: it fails where the command does, and nowhere else."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET

import pandas as pd
from audit_sample import sample_audit
from inspection_sample import HOSTILE, sample
from junitparser import Failure, JUnitXml, Skipped

from doldrum.findings import of_audit, of_inspection
from doldrum.findings.junit import junit


def read(text: str) -> dict[str, list]:
    """Cases by suite; the counts are those of the cases."""
    parsed = JUnitXml.fromstring(text.encode())
    suites = {suite.name: list(suite) for suite in parsed}
    every = [case for cases in suites.values() for case in cases]
    assert parsed.tests == len(every)
    assert parsed.failures == sum(kinds(case) == [Failure] for case in every)
    assert parsed.skipped == sum(kinds(case) == [Skipped] for case in every)
    assert parsed.errors == 0
    return suites


def kinds(case) -> list[type]:
    return [type(one) for one in case.result]


def test_a_case_an_image_that_was_flagged_and_one_a_broken_one(audit, audited):
    (cases,) = read(junit(audited)).values()
    whole, *others = cases
    assert whole.name == "the images"
    assert kinds(whole) == [Failure]
    assert whole.result[0].message == audited.checks[0].heading
    rows = pd.read_parquet("report/rows.parquet")
    flagged = [case for case in others if kinds(case) == [Failure]]
    assert {case.name for case in flagged} == set(rows["id"][rows["flag"] | rows["discovery"]])
    worst = rows.loc[rows["p_value"].idxmin()]
    (element,) = [c for c in ET.fromstring(junit(audited)).iter("testcase") if c.get("name") == flagged[0].name]
    properties = {p.get("name"): p.get("value") for p in element.iter("property")}
    assert properties["p_value"] == f"{worst['p_value']:.6g}"
    assert properties["rule"] == "flagged-image"
    assert [(case.name, case.result[0].message) for case in others if kinds(case) == [Skipped]] == [
        ("images/notes.txt", "not an image: text"), ("images/broken.png", "the file ends too early"),
    ]  # fmt: skip


def test_flags_that_chance_explains_fail_nothing(audit):
    flags = {**audit.flags, "more_than_promised": False, "discoveries": 0}
    quiet = dataclasses.replace(audit, flags=flags, verdict={**audit.verdict, "exit_code": 0})
    (cases,) = read(junit(of_audit(quiet, "report", model="model.onnx", images="suspects"))).values()
    assert [kinds(case) for case in cases[:-2]] == [[]] * (len(cases) - 2)
    assert len(cases) > 20


def test_the_model_is_a_case(audit):
    (case,) = read(junit(of_inspection(sample(), model="m.onnx")))["model"]
    assert kinds(case) == [Failure]
    both = of_audit(dataclasses.replace(audit, inspection=sample().to_dict()), "report", model="m.onnx", images="x")
    assert len(read(junit(both))["model"]) == 1
    record = sample(references=False)
    nothing = dataclasses.replace(record, verdict={**record.verdict, "word": "no conclusion", "exit_code": 0})
    (case,) = read(junit(of_inspection(nothing, model="m.onnx")))["model"]
    assert kinds(case) == [Skipped]
    clean = dataclasses.replace(record, verdict={**record.verdict, "word": "no sign", "exit_code": 0})
    (case,) = read(junit(of_inspection(clean, model="m.onnx")))["model"]
    assert kinds(case) == []


def test_hostile_text_stays_text(tmp_path):
    ids = [f"{HOSTILE}]]>\x00\x1b[31m{i}\ud800.png" for i in range(500)]
    record = sample_audit(tmp_path / "report", class_names=[f"{HOSTILE}{k}" for k in range(10)])
    rows = pd.read_parquet(tmp_path / "report" / "rows.parquet")
    rows.assign(id=[i.encode("utf-8", "replace").decode() for i in ids]).to_parquet(
        tmp_path / "report" / "rows.parquet"
    )
    text = junit(of_audit(record, tmp_path / "report", model=f"{HOSTILE}.onnx", images=f"{HOSTILE}\x00"))
    assert "<script" not in text
    assert "\u202e" not in text
    root = ET.fromstring(text)
    assert {tag.tag for tag in root.iter()} <= {
        "testsuites", "testsuite", "testcase", "properties", "property", "failure", "skipped", "system-out",
    }  # fmt: skip
    names = [case.get("name", "") for case in root.iter("testcase")]
    assert sum(name.startswith("<script>alert(1)</script>") for name in names) > 20
    read(text)
