"""The command line as a user meets it: in processes of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import doldrum as dd
from doldrum import opening

END = "END OF CALL"


def run(*words: object, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from doldrum.cli import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)


def runs(*calls: Sequence[object]) -> list[tuple[int, str, str]]:
    """Exit code, standard output and standard error of each; one process for all, each command a fresh call of main."""
    script = (
        "import sys, json; from doldrum.cli import main\n"
        "for words in json.load(sys.stdin):\n"
        "    sys.argv = ['doldrum', *words]\n"
        "    code = 0\n"
        "    try: main()\n"
        "    except SystemExit as e: code = e.code or 0\n"
        f"    for stream in (sys.stdout, sys.stderr): print({END!r}, code, file=stream, flush=True)\n"
    )
    words = json.dumps([[*map(str, call)] for call in calls])
    done = subprocess.run(
        [sys.executable, "-c", script], input=words, capture_output=True, text=True, timeout=120, check=True
    )
    said = [re.split(f"{END} ([0-9]+)\n", text) for text in (done.stdout, done.stderr)]
    assert [len(parts) for parts in said] == [2 * len(calls) + 1] * 2, done
    return [(int(code), out, err) for out, code, err in zip(said[0][::2], said[0][1::2], said[1][::2], strict=False)]


def pngs(folder: Path, count: int = 3, mode: str = "L") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        shape = (8, 8) if mode == "L" else (8, 8, 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


def test_measure_writes_what_measure_gives(model, tmp_path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "x.npz", images=pixels, labels=np.arange(5) % 4)
    done = run("measure", model, tmp_path / "x.npz", "--strengths", "0.1,0.3", "--draws", 20, "--seed", 4,
               "--out", tmp_path / "out", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["complete"] is True
    assert summary["probe"] == {"family": "gaussian", "strengths": [0.1, 0.3], "draws": 20, "seed": 4, "clip": False}
    r = dd.measure(dd.open_model(model).classifier, pixels, dd.probes.Gaussian([0.1, 0.3], draws=20, seed=4))
    assert np.array_equal(dd.read_responses(tmp_path / "out").draws, r.draws)
    assert {"classifier", "engine", "versions", "machine"} <= set(summary)
    for row, strength, want in zip(summary["mean_w"], r.strengths, dd.mean_smoothness(r), strict=True):
        assert (row["strength"], row["value"]) == (strength, pytest.approx(want.value))
        assert (row["lower"], row["upper"]) == (pytest.approx(want.lower), pytest.approx(want.upper))


def test_a_folder_with_a_corrupt_image_and_a_text_file_is_measured_and_they_are_listed(model, tmp_path) -> None:
    folder = pngs(tmp_path / "in")
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:40])
    (folder / "notes.txt").write_text("hello")
    (folder / "\x1b[31mred\x1b[0m.png").write_text("x")
    (code, out, err), (alone, shown, failed) = runs(
        ["measure", model, folder, "--draws", 5, "--out", tmp_path / "out", "--json"],
        ["measure", model, folder / "0.png", "--draws", 5, "--out", tmp_path / "alone"],
    )
    assert code == 0, err
    skipped = {s["path"] for s in json.loads(out)["skipped"]}
    assert {"broken.png", "notes.txt"} < skipped
    assert len(skipped) == 3
    assert "skipped broken.png" in err
    assert "\x1b" not in err  # a hostile name reaches the terminal as text
    assert alone == 0, failed
    assert "mean W" in shown
    assert "0.05" in shown
    assert dd.read_responses(tmp_path / "out").ids == ("0.png", "1.png", "2.png")


def bad_inputs(tmp: Path, model: Path) -> dict[str, tuple[list[object], str]]:
    empty = tmp / "empty"
    empty.mkdir(exist_ok=True)
    np.save(tmp / "nil.npy", np.zeros((1, 1, 0, 0), np.float32))
    np.save(tmp / "nan.npy", np.full((1, 1, 8, 8), np.nan, np.float32))
    np.save(tmp / "big.npy", np.full((1, 1, 8, 8), 200.0, np.float32))
    np.save(tmp / "wide.npy", np.zeros((1, 2, 9, 9), np.float32))
    np.save(tmp / "ok.npy", np.zeros((1, 1, 8, 8), np.float32))
    np.save(tmp / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (tmp / "text.onnx").write_text("not a model")
    (tmp / "weights.pt").write_bytes(b"\x80\x02")
    (tmp / "junk.safetensors").write_bytes(b"\xff" * 64)
    ok = tmp / "ok.npy"
    return {
        "an empty folder": ([model, empty], "at least one image"),
        "a colour image for a grey model": ([model, pngs(tmp / "colour", mode="RGB")], "got a colour image"),
        "an image of 0 by 0": ([model, tmp / "nil.npy"], "at least one image with pixels"),
        "NaN pixels": ([model, tmp / "nan.npy"], "NaN"),
        "pixels of 0 to 255 as floats": ([model, tmp / "big.npy"], "divide by 255"),
        "channels that cannot be fitted": ([model, tmp / "wide.npy"], "of 1 x 8 x 8 (channels x height x width)"),
        "a pickled array": ([model, tmp / "pickled.npy"], "pickle"),
        "images that are not there": ([model, tmp / "none"], "which is none of these"),
        "a model that is not there": ([tmp / "none.onnx", ok], "not there"),
        "a model that is no model": ([tmp / "text.onnx", ok], "expected"),
        "a torch file": ([tmp / "weights.pt", ok], "pass --trust-pickle"),
        "a broken checkpoint": ([tmp / "junk.safetensors", ok], "expected"),
        "strengths that are no numbers": ([model, ok, "--strengths", "a,b"], "comma-separated numbers"),
        "no draws": ([model, ok, "--draws", 0], "at least 1"),
        "an unknown engine": ([model, ok, "--engine", "warp"], "expected an engine"),
        "a limit of 0": ([model, ok, "--limit", 0], "--limit"),
        "a batch of none": ([model, pngs(tmp / "grey"), "--batch-size", 0], "--batch-size"),
        "two rules": ([model, ok, "--until-decided", 0.2, "--until-width", 0.1], "leave one of them out"),
        "a threshold that W can't reach": ([model, ok, "--until-decided", 1.2], "threshold in [0, 1]"),
        "a width of 0": ([model, ok, "--until-width", 0], "width in (0, 1]"),
        "an alpha without a rule": ([model, ok, "--alpha", 0.01], "--until-decided"),
        "an alpha of 1": ([model, ok, "--until-decided", 0.2, "--alpha", 1], "alpha in (0, 1)"),
        "more draws than memory": ([model, pngs(tmp / "grey"), "--draws", 10**13], "fit in memory"),
        "an --out among the images": ([model, tmp], "which holds the images, got"),
        "an engine that can't take the file": ([model, ok, "--engine", "compile"], "--engine eager"),
        "an unknown option": ([model, ok, "--fast"], "--fast"),
    }


def test_bad_input_gets_one_line_and_exit_code_2(model, tmp_path, call, monkeypatch) -> None:
    opened = opening.open_settings(opening.ModelSettings(model=str(model)))
    real = opening.open_settings
    monkeypatch.setattr(opening, "open_settings", lambda s: opened if s.model == str(model) else real(s))
    for i, (name, (words, word)) in enumerate(bad_inputs(tmp_path, model).items()):
        out = tmp_path / f"out{i}"
        code, said, text = call("measure", *words, "--out", out)
        assert code == 2, (name, code, text)
        assert word in text, (name, text)
        assert "Traceback" not in text, (name, text)
        assert not out.exists(), name
        assert said == "", name


def test_ctrl_c_half_way_leaves_whole_shards_and_exit_code_130(model, tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((4000, 1, 8, 8), dtype=np.float32))
    command = [sys.executable, "-c", "from doldrum.cli import main; main()", "measure", str(model), str(tmp_path / "x.npy"),
               "--draws", "400", "--batch-size", "16", "--out", str(tmp_path / "out")]  # fmt: skip
    # What starts the tests may ignore Ctrl-C, as a shell does for jobs in the background: they inherit it.
    heeded = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heeded)
    deadline = time.monotonic() + 60
    while not (tmp_path / "out" / "part-00002.parquet").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in err
    assert "Traceback" not in err
    back = dd.read_responses(tmp_path / "out")
    assert 0 < len(back) < 4000
    assert back.info["complete"] is False


def test_lists_are_json_and_tables(call) -> None:
    assert {d["name"] for d in call("datasets", "--json")[1]} >= {"fashion-mnist", "digits"}
    doctor = call("doctor", "--json")[1]
    assert {"engines", "gpu", "extras", "datasets", "machine", "versions"} <= set(doctor)
    assert "openvino" in call("doctor")[1]


def test_out_writes_the_list_too(call, tmp_path) -> None:
    code, _, err = call("datasets", "--out", tmp_path / "d" / "list.json")
    assert code == 0, err
    assert json.loads((tmp_path / "d" / "list.json").read_text())[0]["name"]


COMMANDS = ["demo", "measure", "attacks", "poison", "train", "evaluate", "datasets", "doctor"]


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """What each command says to --help, and what is said without a command."""
    asked = {name: [name, "--help"] for name in COMMANDS} | {"": ["--help"], "version": ["--version"]}
    return dict(zip(asked, (out for _, out, _ in runs(*asked.values())), strict=True))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_json_and_out(command, helps) -> None:
    text = helps[command]
    assert "--json" in text
    assert "--out" in text


def test_help_names_every_command_and_the_exit_codes(helps) -> None:
    text = " ".join(helps[""].split())
    for word in ("demo", "measure", "datasets", "doctor", "130 Interrupted"):
        assert word in text
    assert helps["version"] == f"doldrum {dd.__version__}\n"


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_file_names_of_any_bytes_are_measured(model, tmp_path, locale) -> None:
    folder = pngs(tmp_path / "ö in", 1)
    os.rename(folder / "0.png", os.fsencode(folder) + b"/a\xe4.png")
    done = run("measure", model, folder, "--draws", 2, "--out", tmp_path / "out", "--json", env=os.environ | locale)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["complete"] is True
    assert dd.read_responses(tmp_path / "out").ids[0].startswith("a")
    assert not locale or run("attacks", env=os.environ | locale).returncode == 0


def test_importing_doldrum_stays_light() -> None:
    code = "import sys, doldrum; print(any(m in sys.modules for m in ('torch', 'openvino', 'matplotlib', 'pandas', 'sklearn')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "False\n"


def test_python_m_doldrum_is_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "doldrum", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"doldrum {dd.__version__}\n"
