"""doldrum audit and its confined process: exit codes, a kill and going on, hostile names. From the shell, where processes are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from repair_toys import onnx_file

from doldrum.records.audit import AuditRecord
from doldrum.training import load_checkpoint

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture(scope="module")
def model(material, tmp_path_factory) -> Path:
    """The network in ONNX: a process that opens it starts in a moment."""
    path, weights = tmp_path_factory.mktemp("onnx") / "model.onnx", load_checkpoint(material.model).module
    return onnx_file(path, weights, side=8)


def doldrum(*words, cwd):
    command = [sys.executable, "-W", "ignore", "-c", "from doldrum.cli import main; main()", "audit", *map(str, words)]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_killed_it_goes_on_and_ends_as_if_it_had_not_been(material, model, call, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "clean.npy", material.images[:200])
    np.save(tmp_path / "new.npy", np.concatenate([material.images[250:700], material.triggered(slice(1200, 1280))]))
    words = [model, "--images", "new.npy", "--clean", "clean.npy", "--fpr", "0.05", "--seed", "7", "--no-inspect", "--explain", "0",
             "--json"]  # fmt: skip
    first = doldrum(*words, "--out", "a", cwd=tmp_path)
    work = tmp_path / "a" / "work"
    end = time.monotonic() + 240
    while not list(work.glob("rows-*.jsonl")) and time.monotonic() < end and first.poll() is None:
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not (tmp_path / "a" / "record.json").exists()
    assert list(work.glob("rows-*.jsonl"))
    (code, said, _), (whole, other, _) = (call("audit", *words, "--out", out) for out in "ab")
    assert code == whole == 3
    frames = [pd.read_parquet(tmp_path / f / "rows.parquet") for f in "ab"]
    assert frames[0].astype(str).equals(frames[1].astype(str))
    told = [{k: v for k, v in r.items() if k not in ("created", "command", "out", "report")} for r in (said, other)]
    assert told[0] == told[1]
    for folder in "ab":
        names = sorted(p.name for p in (tmp_path / folder).iterdir())
        assert names == ["audit.json", "pictures", "record.json", "report.html", "rows.parquet"]


def test_names_that_attack_are_shown_not_obeyed(material, model, call, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    hostile = [
        "<script>alert(1)</script>.png".replace("/", "∕"),
        "\x1b[31mred.png",
        "a\u202egnp.exe.png",
        "=cmd|' '!A1.png",
        "[bold]x[.png",
    ]
    (tmp_path / "in" / "<img src=x onerror=alert(1)>").mkdir(parents=True)
    for i in range(60):
        name = hostile[i] if i < len(hostile) else f"{i}.png"
        folder = "<img src=x onerror=alert(1)>" if i % 2 else "."
        Image.fromarray(material.images[i, 0]).save(tmp_path / "in" / folder / name)
    (tmp_path / "in" / "\x1b]0;owned\x07.png").write_bytes(b"no image")
    for i in range(7):
        (tmp_path / "in" / f"z{i}.txt").write_text("no image")
    code, said, error = call("audit", model, "--images", "in", "--out", "out", "--budget", "10m")
    assert code == 0, error
    text = said + error + (tmp_path / "out" / "record.json").read_text()
    assert not any(c in text for c in ("\x1b", "\x07", "\u202e"))
    ids = pd.read_parquet(tmp_path / "out" / "rows.parquet")["id"]
    assert len(ids) == 60
    assert all(i.isprintable() for i in ids)
    assert any("\\x1b[31mred" in i for i in ids)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    record = AuditRecord.load(tmp_path / "out" / "record.json")
    names = ["\\x1b]0;owned\\x07.png", *(f"z{i}.txt" for i in range(7))]
    assert [s["id"] for s in record.images["skipped"]] == names
    told = [line for line in error.splitlines() if line.startswith("skipped ")]
    assert [line.partition(": expected an image")[0] for line in told[:5]] == [f"skipped {name}" for name in names[:5]]
    assert told[5:] == ["skipped 3 more; see the report"]


def test_bad_input_is_exit_code_2(material, model, call, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "few.npy", material.images[:100])
    (tmp_path / "model.onnx").write_bytes(b"\x80\x04\x95not a model")
    for words, says in (
        ([model, "--images", "few.npy", "--clean", "few.npy"], "at least 149 clean images"),
        (["model.onnx", "--images", "few.npy"], "model.onnx"),
        ([model, "--images", "nowhere"], "nowhere"),
    ):
        code, _, error = call("audit", *words, "--out", "out")
        assert code == 2, error
        assert says in error
        assert "Traceback" not in error
        assert not (tmp_path / "out").exists()  # or the corrected command would be refused


def children(pid):
    """Process ids of a process's children."""
    found = (p.parent.name for p in Path("/proc").glob("[0-9]*/stat"))
    return [int(p) for p in found if f"PPid:\t{pid}\n" in _status(p)]


def _status(pid):
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""


def until_it_writes(run, work, pattern):
    end = time.monotonic() + 240
    while not list(work.glob(pattern)) and time.monotonic() < end and run.poll() is None:
        time.sleep(0.01)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="finds the confined process in /proc")
def test_a_confined_process_that_was_killed_is_no_bad_input(material, model, call, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "new.npy", material.images[:200])
    words = [model, "--images", "new.npy", "--seed", "7", "--out", "a"]
    run = doldrum(*words, cwd=tmp_path)
    until_it_writes(run, tmp_path / "a" / "work", "images.npy")
    (confined,) = children(run.pid)
    os.kill(confined, signal.SIGKILL)
    _, error = run.communicate()
    assert run.returncode == 1, error
    assert "expected an answer from the confined process, got none, because the process ended with SIGKILL" in error
    assert "run the same command again" in error
    code, _, error = call("audit", *words)
    assert code == 0, error


def test_two_at_once_in_one_folder_do_not_disturb_each_other(material, model, tmp_path):
    np.save(tmp_path / "new.npy", material.images[:60])
    words = [model, "--images", "new.npy", "--seed", "5", "--out", "a"]
    first = doldrum(*words, cwd=tmp_path)
    until_it_writes(first, tmp_path / "a", "audit.json")
    first.send_signal(signal.SIGSTOP)  # it waits, and holds the folder, until the second has ended
    second = doldrum(*words, cwd=tmp_path)
    _, error = second.communicate()
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 2, error
    assert "expected one run at a time" in error
    assert "wait until the first run has ended, or name another folder" in error
    _, error = first.communicate()
    assert first.returncode == 0, error
