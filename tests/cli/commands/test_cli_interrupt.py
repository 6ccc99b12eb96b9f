"""Ctrl-C, whenever it comes: exit code 130, one line, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from doldrum.cli.interrupts import Interrupted, kept

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

AS_IT_IMPORTS = """
import os, signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
from doldrum.cli import main
main()
"""
AS_IT_ENDS = """
import atexit, os, signal

atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
import doldrum.cli.app as cli

def interrupted(**settings):
    os.kill(os.getpid(), signal.SIGINT)

cli.app = interrupted
cli.main()
"""


@pytest.mark.parametrize(
    "source",
    [*(AS_IT_IMPORTS.format(name=name) for name in ("typer", "numpy", "doldrum.cli.commands.study")), AS_IT_ENDS],
    ids=["typer", "numpy", "study", "twice"],
)
def test_ctrl_c_is_told_in_a_line(source):
    run = subprocess.run(
        [sys.executable, "-c", source, "--version"], capture_output=True, text=True, timeout=120, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert run.returncode == 130, run.stderr
    assert run.stderr.startswith("doldrum: interrupted")
    assert len(run.stderr.splitlines()) == 1


@pytest.fixture
def quiet(monkeypatch):
    """What follows an interrupt ignores the next one: not in the process of the tests."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)


def interrupts(leaving=None):
    """A function in the place of a command's work: some of it is done, then comes Ctrl-C."""

    def work(*_, **__):
        if leaving is not None:
            leaving.parent.mkdir(parents=True, exist_ok=True)
            leaving.write_text("some of the work")
        raise KeyboardInterrupt

    return work


def test_a_study_whose_cells_all_failed_keeps_none(call, monkeypatch, quiet, tmp_path):
    def work(*_, **__):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "records.jsonl").write_text(
            '{"key": "a", "cell": {}, "error": "InputError: no", "seconds": 1}\n'
        )
        raise KeyboardInterrupt

    monkeypatch.setattr("doldrum.studies.run_study", work)
    code, _, said = call("study", "smoothing", "--out", tmp_path / "out")
    assert (code, said) == (130, "doldrum: interrupted\n")


def test_what_is_kept_is_said_where_something_is(tmp_path, quiet):
    where = tmp_path / "some.resume"
    with pytest.raises(KeyboardInterrupt), kept("finished epochs", where):
        raise KeyboardInterrupt
    where.write_text("epoch 1")
    told = r"^finished epochs are kept in .*some.resume; run the same command again to continue"
    with pytest.raises(Interrupted, match=told), kept("finished epochs", where):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("work", "left", "what"),
    [
        ("doldrum.audit.run_audit", "work/rows-000000000-000000064.jsonl", "finished parts"),
        ("doldrum.audit.run_audit", None, None),
        ("doldrum.audit.run_audit", "audit.json", None),  # begun, and nothing is finished
        ("doldrum.training.train", "@.resume", "finished epochs"),
        ("doldrum.training.train", None, None),
        ("doldrum.demo.run_demo", "clean.safetensors", "finished parts"),
        ("doldrum.studies.run_study", "records.jsonl", "finished cells"),
        ("doldrum.studies.run_study", "study.json", None),
        ("doldrum.references.train_references", "reference-0003.safetensors", "finished models and epochs"),
        ("doldrum.references.train_references", "references.json", None),
        ("doldrum.cli.commands.doctor.examine", None, None),
    ],
)
def test_it_is_said_once_and_only_what_is_true(call, monkeypatch, quiet, model, tmp_path, work, left, what):
    out = tmp_path / ("out.safetensors" if work.endswith(".train") else "out")
    words = {
        "run_audit": ["audit", model, "--images", tmp_path, "--out", out],
        "train": ["train", "digits:train", "--out", out, "--recipe", "digits-mlp"],
        "run_demo": ["demo", "--fast", "--out", out],
        "train_references": ["references", "--data", "digits", "--recipe", "digits-mlp", "--out", out],
        "run_study": ["study", "smoothing", "--out", out],
        "examine": ["doctor"],
    }[work.rpartition(".")[2]]
    leaving = left and (out / left if left[0] != "@" else out.with_name(out.name + left[1:]))
    monkeypatch.setattr(work, interrupts(leaving))
    code, _, said = call(*words)
    assert code == 130
    where = leaving if work.endswith(".train") else out
    assert said == (
        f"doldrum: interrupted; {what} are kept in {where}; run the same command again to continue\n"
        if what
        else "doldrum: interrupted\n"
    )
