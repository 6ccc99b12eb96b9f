"""Where results can't be written, every command says so first; and one that is refused leaves no folder behind."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (80, 1, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=pixels, labels=np.arange(80) % 4)
    os.mkfifo(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe.toml")
    return tmp_path


def commands(model, files, out) -> dict[str, list[object]]:
    """Each command with an --out, or where its results go."""
    data = files / "set.npz"
    return {
        "measure": ["measure", model, data, "--out", out],
        "calibrate": ["calibrate", model, data, "--out", out / "guard.doldrum"],
        "scan": ["scan", model, data, "--detector", "none", "--out", out],
        "audit": ["audit", model, "--images", data, "--out", out],
        "inspect": ["inspect", model, "--clean", data, "--out", out],
        "explain": ["explain", model, data, "--clean", data, "--out", out],
        "repair": ["repair", model, "--clean", data, "--out", out / "r.safetensors"],
        "references": ["references", "--data", data, "--out", out],
        "cleanse": ["cleanse", data, "--model", model, "--out", out],
        "evaluate": ["evaluate", model, data, "--out", out / "e.json"],
        "doctor": ["doctor", model, "--out", out / "d.json"],
        "attacks": ["attacks", "--out", out / "a.json"],
        "datasets": ["datasets", "--out", out / "s.json"],
        "study": ["study", "smoothing", "--out", out],
        "demo": ["demo", "--out", out],
        "train": ["train", data, "--out", out / "t.safetensors"],
        "poison": ["poison", data, "--attack", "badnets", "--out", out / "p.npz"],
    }


def test_an_out_that_cannot_be_written_is_refused_before_the_model_is_opened(call, model, files, monkeypatch):
    monkeypatch.setattr("doldrum.opening.open_settings", lambda settings: pytest.fail("opened the model"))
    monkeypatch.setattr("doldrum.confined.run.send", lambda *a, **k: pytest.fail("began to work"))
    (files / "file").write_text("")
    for where in ("/proc/x", files / "file" / "x"):  # the first: nobody may, though permissions say that root may
        for name, words in commands(model, files, type(files)(where)).items():
            code, out, err = call(*words)
            assert (code, out) == (2, ""), (name, err)
            assert err.startswith("doldrum: expected a"), (name, err)
            assert "writ" in err, (name, err)
            assert "Traceback" not in err
    assert not os.path.exists("/proc/x")


def test_a_device_or_a_pipe_is_never_written_over(call, model, files):
    code, _, err = call("evaluate", model, files / "set.npz", "--out", files / "pipe")
    assert code == 2, err
    assert "which is a device, pipe or socket" in err
    assert (files / "pipe").is_fifo()


@pytest.mark.parametrize(
    ("kind", "why"), [("pipe", "a device, pipe or socket"), ("set.npz", "a file"), ("dangling", "a link to nothing")]
)
def test_what_is_in_place_of_a_folder_is_named(call, model, files, kind, why):
    os.symlink(files / "gone", files / "dangling")
    for name in ("measure", "scan", "study", "demo"):
        code, _, err = call(*commands(model, files, files / kind)[name])
        assert code == 2, (name, err)
        assert f"expected a folder for --out, got {files / kind}, which is {why}; name another" in err, (name, err)


def test_what_an_out_is_tried_with_is_not_shown(call, model, files):
    code, _, err = call("calibrate", model, files / "set.npz", "--out", "/proc/g.doldrum")
    assert code == 2
    assert "got /proc/g.doldrum (No such file or directory); name another" in err, err
    assert ".part" not in err


def test_an_empty_value_is_refused_wherever_it_is(call, model, files):
    for words, what in (
        (["measure", model, files / "set.npz", "--out", ""], "--out"),
        (["measure", model, files / "set.npz", "--out="], "--out"),
        (["measure", "", files / "set.npz", "--out", files / "out"], "an argument"),
        (["demo", "--out", ""], "--out"),
    ):
        code, _, err = call(*words)
        assert (code, err) == (
            2,
            f"doldrum: expected a value for {what}, got an empty text; pass a value, or leave out the option\n",
        )


WRONG = {
    "measure": ["--size", "99"],
    "calibrate": ["--fpr", "0.0001"],
    "audit": ["--size", "99"],
    "cleanse": ["--size", "99"],
    "evaluate": ["--size", "99"],
    "study": ["--workers", "1000"],
    "train": ["--recipe", "none"],
    "poison": ["--attack", "none"],
}


@pytest.mark.parametrize("name", list(WRONG))
def test_a_command_that_is_refused_leaves_no_folder(call, model, files, name):
    before = sorted(p.name for p in files.iterdir())
    words = commands(model, files, files / "new" / "deep")[name]
    code, _, err = call(*words, *WRONG[name])
    assert code == 2, err
    assert sorted(p.name for p in files.iterdir()) == before


def test_a_pipe_is_refused_wherever_a_file_is_asked_for(call, model, files):
    """None is opened, which would wait for a writer for ever."""
    data, pipe, out = files / "set.npz", files / "pipe", files / "out"
    for words in (
        ["measure", pipe, data, "--out", out],
        ["measure", model, pipe, "--out", out],
        ["measure", model, data, "--labels", pipe, "--out", out],
        ["scan", model, data, "--detector", pipe, "--out", out],
        ["evaluate", model, data, "--attack-file", pipe],
        ["evaluate", model, pipe],
        ["audit", model, "--images", pipe, "--out", out],
        ["audit", model, "--images", data, "--clean", pipe, "--out", out],
        ["cleanse", pipe, "--model", model, "--out", out],
        ["doctor", model, "--clean", pipe],
        ["train", pipe, "--out", out / "t.safetensors"],
        ["poison", pipe, "--attack", "badnets", "--out", out / "p.npz"],
        ["study", "smoothing", "--grid", files / "pipe.toml", "--out", out],
        ["report", pipe],
    ):
        code, _, err = call(*words)
        assert code == 2, (words, err)
        assert "expected" in err
        assert not out.exists()


@pytest.mark.parametrize("words", [["--version"], ["datasets"], ["datasets", "--json"]])
def test_a_full_disk_behind_standard_output_is_one_line(words) -> None:
    command = [sys.executable, "-c", "from doldrum.cli import main; main()", *words]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    want = "doldrum: expected space on the disk, got a full disk; free some space, or write to another place\n"
    assert (done.returncode, done.stderr) == (1, want)
