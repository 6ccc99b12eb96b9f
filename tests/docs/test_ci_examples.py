"""examples/ci and the Dockerfile: they run, name commands and files that there are, and pass exit codes on."""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from doldrum.cli.app import app

ROOT = Path(__file__).parents[2]
GATE = ROOT / "examples" / "ci" / "gate.sh"

_FAKE = """#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word"; done > "$SEEN"
exit {code}
"""


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """Run gate.sh with a doldrum that notes its words and ends with `code`: (exit code, words)."""

    def run(*words: str, code: int = 0, options: str = "") -> tuple[int, list[str]]:
        fake, seen = tmp_path / "doldrum", tmp_path / "seen"
        fake.write_text(_FAKE.format(code=code))
        fake.chmod(0o755)
        seen.unlink(missing_ok=True)
        env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SEEN": str(seen), "DOLDRUM_OPTIONS": options}
        done = subprocess.run(["sh", str(GATE), *words], cwd=tmp_path, env=env, timeout=60, check=False)
        return done.returncode, seen.read_text().splitlines() if seen.exists() else []

    return run


@pytest.mark.parametrize("code", [0, 1, 2, 3])
def test_the_gate_ends_as_the_command_does(gate, tmp_path, code):
    (tmp_path / "doldrum.sarif").write_text("of an earlier run")
    (tmp_path / "doldrum-report").mkdir()
    (tmp_path / "doldrum-report" / "record.json").write_text("of another model")
    assert gate("m.onnx", "my trusted", code=code)[0] == code
    assert not (tmp_path / "doldrum.sarif").exists()
    assert not (tmp_path / "doldrum-report").exists()


def test_the_gate_s_commands_are_ones_that_there_are(gate):
    group = typer.main.get_command(app)
    for words, name in ((("m.onnx", "a b"), "inspect"), (("m.onnx", "a b", "in box"), "audit")):
        _, (first, *rest) = gate(*words, options="--budget 10m --fpr 0.1")
        assert first == name
        asked = group.commands[first].make_context(first, rest).params  # type: ignore[attr-defined]
        assert (asked["model"], asked["clean"], asked["budget"]) == ("m.onnx", "a b", "10m")
        assert asked.get("images") == (None if name == "inspect" else "in box")
        assert (str(asked["sarif"]), str(asked["junit"])) == ("doldrum.sarif", "doldrum.xml")
    assert gate("m.onnx") == (2, [])


def test_the_workflow_runs_the_gate_and_uploads_what_it_writes():
    flow = yaml.safe_load((ROOT / "examples" / "ci" / "github-actions.yml").read_text(encoding="utf-8"))
    assert set(flow[True]) == {"pull_request"}  # YAML 1.1 reads "on" as true; never pull_request_target
    job = flow["jobs"]["gate"]
    assert job["permissions"] == {"contents": "read", "security-events": "write"}
    runs = [step["run"] for step in job["steps"] if "run" in step]
    assert shlex.split(runs[-1]) == ["sh", "ci/gate.sh", "$MODEL", "$TRUSTED"]
    (upload,) = [step for step in job["steps"] if "upload-sarif" in step.get("uses", "")]
    assert upload["with"]["sarif_file"] == "doldrum.sarif"
    assert "always()" in upload["if"]
    for step in job["steps"]:
        assert "${{ github.event" not in step.get("run", "")  # text of the pull request is no shell script


def test_the_image_is_built_of_files_that_it_is_given():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    let_in = [word[1:] for word in ignored if word.startswith("!")]
    assert len(copied) > 5
    for name in copied:
        assert (ROOT / name).exists()
        assert any(fnmatch.fnmatch(name, pattern) for pattern in let_in), name
    # The build needs what pyproject.toml names.
    named = re.findall(
        r'^readme = "(.+)"|^license-files = \["(.+)"\]', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert {one or two for one, two in named} <= set(copied)
    assert next(line for line in reversed(lines) if line.startswith("USER")) == "USER 10001"
