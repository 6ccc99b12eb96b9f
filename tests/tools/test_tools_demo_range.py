"""tools/demo-range: one record a run, continued after a kill, and run again where the settings are others."""

from __future__ import annotations

import json
import sys

import pytest
from tool_files import load_tool

tool = load_tool("demo-range")

KEYS = ("scale", "seed", "precision")


@pytest.fixture
def made(monkeypatch, tmp_path):
    """The runs that are asked for, each in place of a demo."""
    asked = []

    def command(run):
        asked.append(run)
        record = dict(zip(KEYS, run, strict=True)) | {"settings": tool.digest(run), "n": len(asked)}
        return [sys.executable, "-c", f"print({json.dumps(record)!r})"]

    monkeypatch.setattr(tool, "RANGE", tmp_path / "demo" / "range.json")
    monkeypatch.setattr(tool, "RUNS", [("full", 0, None), ("full", 1, "fp32"), ("fast", 1, "bf16")])
    monkeypatch.setattr(tool, "command", command)
    monkeypatch.setattr(tool, "draw", lambda: None)
    monkeypatch.setattr(sys, "argv", ["demo-range"])
    return asked


def stored():
    return [tuple(r[k] for k in KEYS) for r in json.loads(tool.RANGE.read_text())["runs"]]


def test_every_run_is_written_as_it_is_finished_and_none_is_run_twice(made, monkeypatch) -> None:
    whole = tool.command

    def dies(run):
        return [sys.executable, "-c", "raise SystemExit(1)"] if run[0] == "fast" else whole(run)

    monkeypatch.setattr(tool, "command", dies)
    with pytest.raises(Exception, match="exit status 1"):
        tool.main()
    assert stored() == tool.RUNS[:2]
    monkeypatch.setattr(tool, "command", whole)
    tool.main()
    assert stored() == tool.RUNS
    assert made == tool.RUNS
    tool.main()
    assert made == tool.RUNS


@pytest.mark.parametrize(("key", "value"), [("draws", 61), ("recipe", {"epochs": 7})])
def test_a_run_of_other_settings_is_run_again(made, key, value) -> None:
    tool.main()
    found = json.loads(tool.RANGE.read_text())
    found["runs"][1]["settings"][key] = value
    tool.RANGE.write_text(json.dumps(found))
    tool.main()
    assert made[3:] == [tool.RUNS[1]]
    assert stored() == tool.RUNS


def test_a_command_names_its_run() -> None:
    assert tool.command(("full", 3, None))[2:] == ["--one", "full", "3", "none"]
    assert tool.command(("fast", 0, "bf16"))[2:] == ["--one", "fast", "0", "bf16"]


def test_a_run_has_the_demos_settings_but_for_seed_and_precision() -> None:
    from doldrum.demo import DemoSettings

    for scale, seed, precision in tool.RUNS:
        settings = tool.settings((scale, seed, precision))
        assert (settings.scale, settings.seed, settings.precision) == (scale, seed, precision)
    assert tool.settings(("full", 0, None)) == DemoSettings()
    assert len(set(tool.RUNS)) == len(tool.RUNS) == 21
