"""InspectionRecord: round trip, and what it refuses."""

from __future__ import annotations

import json

import pytest
from inspection_sample import sample

from doldrum.errors import InputError
from doldrum.records.inspection import InspectionRecord


def test_a_record_comes_back_from_its_file(tmp_path):
    record = sample()
    assert InspectionRecord.load(record.save(tmp_path / "record.json")) == record
    without = sample(references=False)
    assert InspectionRecord.load(without.save(tmp_path / "record.json")) == without


def test_a_record_of_before_did_not_know_the_clean_images():
    values = json.loads(json.dumps(sample().to_dict()))
    del values["clean"]["sha256"]
    assert InspectionRecord.from_dict(values).clean["sha256"] is None


def _set(path, value):
    def spoil(values):
        *folders, last = path
        for key in folders:
            values = values[key]
        values[last] = value

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        _set(["verdict", "word"], "fine"),
        _set(["verdict", "exit_code"], 0),
        _set(["verdict", "heading"], "x" * 5000),
        _set(["finding", "target"], 10),
        _set(["finding", "p_value"], 1.5),
        _set(["finding", "p_value"], None),
        _set(["success", "hits"], 101),
        _set(["success", "lower"], 0.999),
        _set(["trigger"], None),
        _set(["trigger", "examples", 0, "after"], -2),
        _set(["inspectors", 0, "values", 0], [None, 10, 0.0, 0.0]),
        _set(["inspectors", 0, "values", 0], [None, 1, 0.0]),
        _set(["inspectors", 0, "band"], [2.0, 1.0]),
        _set(["inspectors", 0, "seconds"], -1.0),
        _set(["model", "num_classes"], 2),
        _set(["clean", "search"], 1.5),
        _set(["clean", "sha256"], "a" * 63),
        _set(["clean", "sha256"], "<" * 64),
        _set(["more"], 1),
        _set(["version"], 2),
    ],
)
def test_values_that_cannot_be_are_refused(spoil):
    values = json.loads(json.dumps(sample().to_dict()))
    spoil(values)
    with pytest.raises(InputError):
        InspectionRecord.from_dict(values)
