"""SARIF: valid by the published schema, one result an image that stood out and one for the model, none where nothing did."""

from __future__ import annotations

import copy
import dataclasses
import json

import pandas as pd
import pytest
from audit_sample import sample_audit
from inspection_sample import HOSTILE, sample
from jsonschema.exceptions import ValidationError
from sarif_schema import checked_run, validator

from doldrum.findings import of_audit, of_inspection
from doldrum.findings.sarif import sarif


def test_the_schema_refuses_what_is_wrong(audited):
    """The validator works: a result without a message, and a level that there is not."""
    log = sarif(audited)
    for spoil in (lambda r: r.pop("message"), lambda r: r.update(level="bad")):
        spoilt = copy.deepcopy(log)
        spoil(spoilt["runs"][0]["results"][0])
        with pytest.raises(ValidationError):
            validator().validate(spoilt)


def test_one_result_an_image_that_was_flagged_most_suspicious_first(audit, audited):
    run = checked_run(json.loads(json.dumps(sarif(audited))))
    rows = pd.read_parquet("report/rows.parquet")
    wanted = rows[rows["flag"] | rows["discovery"]].sort_values(["p_value", "score"], ascending=[True, False])
    assert len(wanted) > 20
    uris = [r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run["results"]]
    assert uris == [f"suspects/{name}" for name in wanted["id"]]
    assert [r["properties"]["p_value"] for r in run["results"]] == wanted["p_value"].tolist()
    levels = ["error" if found else "warning" for found in wanted["discovery"]]
    assert [r["level"] for r in run["results"]] == levels
    assert {"error", "warning"} == set(levels)
    assert len({r["partialFingerprints"]["doldrumPlace/v1"] for r in run["results"]}) == len(wanted)
    assert run["invocations"][0]["exitCode"] == audit.verdict["exit_code"] == 3
    assert run["properties"]["images"]["flagged"] == audit.flags["count"]
    assert run["tool"]["driver"]["version"] == audit.doldrum


def test_broken_images_are_notifications(audited):
    (invocation,) = checked_run(sarif(audited))["invocations"]
    told = [
        (n["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], n["message"]["text"])
        for n in invocation["toolExecutionNotifications"]
    ]
    assert told == [("images/notes.txt", "not an image: text"), ("images/broken.png", "the file ends too early")]


def test_flags_that_chance_explains_are_notes(audit):
    flags = {**audit.flags, "more_than_promised": False, "discoveries": 0}
    rows = pd.read_parquet("report/rows.parquet").assign(discovery=False)
    rows.to_parquet("report/rows.parquet", index=False)
    verdict = {**audit.verdict, "exit_code": 0}
    quiet = dataclasses.replace(audit, flags=flags, verdict=verdict)
    run = checked_run(sarif(of_audit(quiet, "report", model="model.onnx", images="suspects")))
    assert {r["level"] for r in run["results"]} == {"note"}
    assert run["invocations"][0]["exitCode"] == 0
    assert run["properties"]["images"]["outcome"] == "passed"


def test_nothing_flagged_is_an_empty_list(audit):
    rows = pd.read_parquet("report/rows.parquet").assign(flag=False, discovery=False)
    rows.to_parquet("report/rows.parquet", index=False)
    flags = {**audit.flags, "count": 0, "more_than_promised": False, "discoveries": 0}
    none = dataclasses.replace(audit, flags=flags, verdict={**audit.verdict, "exit_code": 0})
    assert checked_run(sarif(of_audit(none, "report", model="model.onnx", images="suspects")))["results"] == []


def test_a_ranking_flags_nothing(tmp_path):
    ranked = sample_audit(tmp_path / "ranked", ranking=True)
    run = checked_run(sarif(of_audit(ranked, tmp_path / "ranked", model="m.onnx", images="nowhere:test")))
    assert run["results"] == []
    assert run["properties"]["images"]["outcome"] == "skipped"


@pytest.mark.parametrize(
    ("word", "code", "rules"),
    [
        ("backdoor shown", 3, [("backdoored-model", "error")]),
        ("suspicious", 3, [("suspicious-model", "warning")]),
        ("no sign", 0, []),
        ("no conclusion", 0, []),
    ],
)
def test_one_result_for_the_model_where_it_is_suspicious_or_worse(word, code, rules):
    record = sample()
    record = dataclasses.replace(record, verdict={**record.verdict, "word": word, "exit_code": code})
    run = checked_run(sarif(of_inspection(record, model="models/bad model.onnx")))
    assert [(r["ruleId"], r["level"]) for r in run["results"]] == rules
    for result in run["results"]:
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"] == {
            "uri": "models/bad%20model.onnx",
            "uriBaseId": "%SRCROOT%",
        }
        assert result["properties"]["p_value"] == 1 / 41
        assert result["properties"]["success_value"] == 0.97


def test_an_inspection_in_an_audit_is_the_model_s_result(audit):
    both = dataclasses.replace(audit, inspection=sample().to_dict())
    run = checked_run(sarif(of_audit(both, "report", model="model.onnx", images="suspects")))
    assert [r["ruleId"] for r in run["results"]].count("backdoored-model") == 1
    assert run["properties"]["model"]["verdict"] == "backdoor shown"


def test_hostile_names_are_shown_and_make_no_link(tmp_path):
    ids = [f"{HOSTILE}[{i}](http://evil){{0}}\n.png" for i in range(500)]
    names = [f"{HOSTILE}{k}" for k in range(10)]
    record = sample_audit(tmp_path / "report", ids=ids, class_names=names)
    text = json.dumps(sarif(of_audit(record, tmp_path / "report", model="m.onnx", images=str(tmp_path))))
    run = checked_run(json.loads(text))
    for result in run["results"]:
        told = result["message"]["text"]
        assert "](" not in told.replace("\\]", "")
        assert "{0}" not in told.replace("{{", "").replace("}}", "")
        assert "\u202e" not in told
        assert "\n" not in told


def test_a_proven_trigger_is_its_own_rule(audit):
    from doldrum.records.explanations import Explanation, Explanations, Success

    rows = pd.read_parquet("report/rows.parquet").sort_values("p_value")
    some = Success(hits=96, n=100, value=0.96, lower=0.9, upper=0.99)
    why = "A patch takes class 0 along."
    one = Explanation(
        image=rows["id"].iloc[0], label=0, proven=True, why=why, success=some, p_adjusted=0.001, kind="region"
    )
    told = dataclasses.replace(
        audit, explanations=Explanations(explained=(one,), alpha=0.05, seed=0, clean=9, queries=9)
    )
    run = checked_run(sarif(of_audit(told, "report", model="model.onnx", images="suspects")))
    (proven,) = [r for r in run["results"] if r["ruleId"] == "proven-trigger"]
    assert proven["level"] == "error"
    assert proven["message"]["text"].endswith(why)
    assert proven["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == f"suspects/{one.image}"
