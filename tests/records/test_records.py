"""Records keep what they are given, and refuse what they cannot keep."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from doldrum.errors import InputError
from doldrum.records import COMBINATIONS, VERSION, Curve, DemoRecord, Example, ModelSummary, Pixels

SUMMARY: dict[str, Any] = {
    "name": "clean",
    "clean_accuracy": 0.92,
    "clean_accuracy_ci": (0.91, 0.93),
    "asr": 0.01,
    "asr_ci": (0.0, 0.02),
    "sigma_half": 0.1,
    "w_clean": 0.12,
    "w_clean_ci": (0.11, 0.13),
    "w_triggered": 0.11,
    "w_triggered_ci": (0.1, 0.12),
    "w_change": -0.01,
    "w_change_ci": (-0.02, 0.0),
    "n_inputs": 3,
    "draws": 100,
}


def curve(model: str, inputs: str) -> Curve:
    return Curve(model, inputs, (0.1, 0.2), (0.1, 0.3), (0.05, 0.2), (0.15, 0.4))


def example(**changes: Any) -> Example:
    values: dict[str, Any] = {
        "model": "backdoored",
        "inputs": "triggered",
        "true_class": 1,
        "sigma": 0.1,
        "image": Pixels.of(np.linspace(0, 1, 12).reshape(1, 3, 4)),
        "noisy": Pixels.of(np.zeros((2, 1, 3, 4))),
        "labels": (0, -1),
        "base_label": 0,
        "w": 0.0,
    }
    return Example(**values | changes)


def demo(**changes: Any) -> DemoRecord:
    values: dict[str, Any] = {
        "models": (ModelSummary(**SUMMARY), ModelSummary(**SUMMARY | {"name": "backdoored"})),
        "curves": tuple(curve(m, i) for m, i in COMBINATIONS),
        "w_at_half": {f"{m}/{i}": np.array([0.0, 0.25, 0.5]) for m, i in COMBINATIONS},
        "examples": (example(),),
        "class_names": ["shirt", "boot"],
        "trigger": {"name": "patch", "shape": (3, 3)},
        "plan": {"rate": 0.05, "target": 0},
        "sigma_half": np.float64(0.1),
        "seed": 0,
        "command": "doldrum demo",
        "provenance": {"versions": {"doldrum": "0.2.0"}},
        "seconds": {"measure": 1.5},
    }
    return DemoRecord(**values | changes)


@pytest.mark.parametrize("record", [curve("clean", "triggered"), ModelSummary(**SUMMARY), example(), demo()])
def test_a_record_survives_its_file(record, tmp_path):
    path = record.save(tmp_path / "deep" / "record.json")
    assert type(record).load(path) == record
    assert type(record).from_dict(record.to_dict()) == record
    assert [p.name for p in path.parent.iterdir()] == ["record.json"]


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6)))
def test_pixels_keep_every_byte(array):
    kept = Pixels.of(array)
    assert kept.shape == array.shape
    np.testing.assert_array_equal(kept.array(), array)


def test_pixels_of_floats_are_clipped_and_rounded():
    assert Pixels.of(np.array([-1.0, 0.0, 0.499, 1.0, 7.0])).array().tolist() == [0, 0, 127, 255, 255]
    with pytest.raises(InputError, match="finite"):
        Pixels.of([np.nan])


def test_a_file_names_its_kind_and_version(tmp_path):
    found = json.loads(demo().save(tmp_path / "r.json").read_text())
    assert found["record"] == "DemoRecord"
    assert found["version"] == VERSION


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("seed"), "lacks \\['seed'\\]"),
        (lambda d: d.update(extra=1), "adds \\['extra'\\]"),
        (lambda d: d.update(version=2), "version"),
        (lambda d: d.update(version=True), "version"),
        (lambda d: d.pop("version"), "version"),
        (lambda d: d.update(record="Curve"), "Curve"),
        (lambda d: d.update(models=3), "list"),
        (lambda d: d["models"].reverse(), "models"),
        (lambda d: d["models"][0].pop("asr"), "asr"),
        (lambda d: d["models"][0].update(asr=91.0), "share"),
        (lambda d: d["models"][0].update(asr="0.9"), "number"),
        (lambda d: d["models"][0].update(asr_ci=[0.9, 0.1]), "order"),
        (lambda d: d["models"][0].update(asr_ci=[0.9]), "two"),
        (lambda d: d["models"][0].update(draws=0), "draws"),
        (lambda d: d["models"][0].update(name="third"), "name"),
        (lambda d: d["curves"].pop(), "curve"),
        (lambda d: d["curves"][0].update(model="other"), "model"),
        (lambda d: d["curves"][0]["mean"].pop(), "lengths"),
        (lambda d: d["curves"][0].update(strengths=[0.2, 0.1]), "rising"),
        (lambda d: d["curves"][0].update(mean="ab"), "list"),
        (lambda d: d["w_at_half"].pop("clean/clean"), "w_at_half"),
        (lambda d: d["w_at_half"].update({"clean/clean": []}), "at least one"),
        (lambda d: d.update(w_at_half=[]), "object"),
        (lambda d: d["examples"][0].update(labels=[0]), "one copy per label"),
        (lambda d: d["examples"][0].update(labels=[0, 2]), "classes below 2"),
        (lambda d: d["examples"][0].update(image=[[0]]), "Pixels"),
        (lambda d: d["examples"][0]["image"].update(data="%%"), "base64"),
        (lambda d: d["examples"][0]["image"].update(shape=[1, 3, 5]), "bytes"),
        (lambda d: d["examples"][0]["image"].update(shape=[-1, 3, 4]), "whole"),
        (lambda d: d["seconds"].update(train="long"), "number"),
        (lambda d: d.update(sigma_half=0), "positive"),
        (lambda d: d.update(seed=1.5), "whole"),
        (lambda d: d.update(command=["doldrum"]), "command"),
        (lambda d: d.update(scale="huge"), "scale"),
    ],
)
def test_a_damaged_file_is_refused(change, message, tmp_path):
    path = demo().save(tmp_path / "r.json")
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(InputError, match=message):
        DemoRecord.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"x"', "null", '{"record": "DemoRecord"', "\x00", "[" * 100_000])
def test_what_is_no_record_is_refused(text, tmp_path):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(InputError):
        DemoRecord.load(path)


def test_not_a_number_is_refused_on_both_ways(tmp_path):
    for bad in (float("nan"), float("inf")):
        with pytest.raises(InputError, match="finite"):
            ModelSummary(**SUMMARY | {"w_clean": bad})
        with pytest.raises(InputError, match="finite"):
            demo(w_at_half={f"{m}/{i}": (bad,) for m, i in COMBINATIONS})
        with pytest.raises(InputError, match="JSON"):
            demo(plan={"rate": bad})
    path = demo().save(tmp_path / "r.json")
    path.write_text(path.read_text().replace("1.5", "NaN"))
    with pytest.raises(InputError, match="NaN"):
        DemoRecord.load(path)


def test_a_missing_or_binary_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="check the path"):
        DemoRecord.load(tmp_path / "absent.json")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError):
        DemoRecord.load(tmp_path / "binary")


@given(st.floats(0, 1), st.floats(0, 1))
def test_floats_keep_every_bit(a, b):
    low, high = sorted((a, b))
    made = ModelSummary(**SUMMARY | {"asr": a, "asr_ci": (low, high)})
    assert ModelSummary.from_dict(json.loads(json.dumps(made.to_dict()))) == made
