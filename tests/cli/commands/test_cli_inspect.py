"""doldrum inspect: what it prints, its exit codes, and its errors in flags."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "inspecting"))
from onnx_toys import Quick, clean_file, here, references, toy_file

from doldrum.confined import sending
from doldrum.inspecting import references as examined
from doldrum.inspectors.kinds import INSPECTORS


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A backdoored and a clean model and four references, in the working folder; inspections in this process, in a moment."""
    monkeypatch.setattr(sending, "run_confined", here)
    monkeypatch.setattr(examined, "run_confined", here)
    monkeypatch.setitem(INSPECTORS, "mask", Quick)
    monkeypatch.chdir(tmp_path)
    toy_file(tmp_path / "bad.onnx", 1, backdoor=True)
    toy_file(tmp_path / "good.onnx", 2)
    clean_file(tmp_path / "clean.npy")
    references(tmp_path / "refs", 4)
    return tmp_path


_MORE = ("--clean", "clean.npy", "--references", "refs", "--fpr", "0.2", "--inspectors", "mask")


def test_a_backdoor_is_exit_code_3_and_a_clean_model_0(folder, call):
    code, found, _ = call("inspect", "bad.onnx", *_MORE, "--out", "bad", "--json")
    assert code == 3
    assert found["verdict"]["word"] == "backdoor shown"
    assert (folder / "bad" / "report.html").is_file()
    code, _, said = call("inspect", "good.onnx", *_MORE, "--out", "good")
    assert code == 0
    assert "No sign of a backdoor" in said
    assert "The report is good/report.html" in said
    code, _, said = call("inspect", "good.onnx", *_MORE, "--out", "good")
    assert code == 0
    assert "is already finished; nothing was done" in said


def test_result_files_say_what_the_exit_code_says(folder, call):
    code, _, said = call("inspect", "bad.onnx", *_MORE, "--out", "bad", "--sarif", "ci/a.sarif", "--junit", "ci/a.xml")
    assert code == 3
    assert "wrote ci/a.sarif" in said
    (result,) = json.loads((folder / "ci" / "a.sarif").read_text())["runs"][0]["results"]
    assert result["ruleId"] == "backdoored-model"
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "bad.onnx"
    assert ET.parse(folder / "ci" / "a.xml").getroot().get("failures") == "1"
    # the files of the last run are replaced
    code, _, _ = call("inspect", "good.onnx", *_MORE, "--out", "good", "--sarif", "ci/a.sarif", "--junit", "ci/a.xml")
    assert code == 0
    assert json.loads((folder / "ci" / "a.sarif").read_text())["runs"][0]["results"] == []
    assert ET.parse(folder / "ci" / "a.xml").getroot().get("failures") == "0"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--fpr", "0.05"), "at least 19 reference models in --references to promise --fpr 0.05, got 4"),
        (("--inspectors", "magic"), "expected --inspectors among mask"),
        (("--workers", "-1"), "workers"),
        (("--references", "nowhere"), "expected --references as a folder of clean models, got nowhere"),
        (("--clean", "nowhere"), "expected --clean as a file or folder that exists"),
        (("--sarif", "bad.onnx"), "expected another file for --sarif than for the model, got bad.onnx for both"),
        (("--junit", "clean.npy"), "expected another file for --junit than for the images, got clean.npy for both"),
        (("--sarif", "a", "--junit", "a"), "expected different files for --sarif and --junit, got a for both"),
        (("--sarif", "refs/r00.onnx"), "expected a new file for --sarif, or a SARIF file that may be replaced"),
    ],
)
def test_errors_name_flags_and_come_before_any_work(folder, call, words, told):
    code, _, said = call("inspect", "bad.onnx", *_MORE, *words, "--out", "out")
    assert code == 2
    assert told in said
    assert not (folder / "out").exists()
