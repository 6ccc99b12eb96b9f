"""doldrum demo ends with what to do next."""

from __future__ import annotations

import shlex

import typer

from doldrum.cli.app import app
from doldrum.cli.commands import demo


def test_the_two_commands_are_ones_that_there_are() -> None:
    group = typer.main.get_command(app)
    lines = ["doldrum" + line.partition("doldrum")[2] for line in demo._NEXT if "doldrum " in line]
    assert [line.split()[1] for line in lines] == ["inspect", "audit"]
    for line in lines:
        name, *words = shlex.split(line)[1:]
        group.commands[name].make_context(name, words)  # type: ignore[attr-defined]


def test_they_come_last_and_not_within_json(call, monkeypatch, tmp_path) -> None:
    class Record:
        models = ()

    monkeypatch.setattr("doldrum.demo.run_demo", lambda *args, **more: Record())
    monkeypatch.setattr("doldrum.report.demo.page.render_demo", lambda record: "page")
    monkeypatch.setattr("doldrum.report.demo.words.range_sentence", lambda record: "")
    monkeypatch.setattr("doldrum.report.demo.table.demo_table", lambda record: "table")
    code, out, _ = call("demo", "--out", tmp_path)
    assert code == 0
    assert out.splitlines()[0] == "table"
    assert "Now try it on your own model" in out
    assert out.splitlines()[-1].endswith("--out report/")
    assert call("demo", "--out", tmp_path, "--json")[1] == {}
