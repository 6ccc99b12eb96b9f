"""No command writes over what it reads, or over a file of another kind."""

from __future__ import annotations

import json
import os
import re
import shutil

import numpy as np
import pytest


@pytest.fixture
def files(tmp_path, model):
    """A model of its own, with weights in a file beside it; images, as a folder and as an array; and a photo."""
    import onnx
    from PIL import Image

    shutil.copy(model, tmp_path / "m.onnx")
    onnx.save(
        onnx.load(model),
        str(tmp_path / "apart.onnx"),
        save_as_external_data=True,
        location="apart.bin",
        size_threshold=0,
    )
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "set.npz", images=rng.integers(0, 256, (80, 1, 8, 8), np.uint8), labels=np.arange(80) % 4)
    (tmp_path / "photos").mkdir()
    for place in (tmp_path / "photos" / "a.png", tmp_path / "photo.png"):
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(place)
    (tmp_path / "names.txt").write_text("a\nb\nc\nd\n")
    (tmp_path / "names.json").write_text("[a\nb\nc\nd\n")
    (tmp_path / "other.json").write_text('{"mine": 1}')
    os.symlink(tmp_path / "m.onnx", tmp_path / "link.onnx")
    os.link(tmp_path / "m.onnx", tmp_path / "hard.onnx")
    return tmp_path


def contents(folder) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


WORDS = [  # what is wrong, the command; {} is the folder
    ("the model", "calibrate {}/m.onnx {}/set.npz --out {}/m.onnx"),
    ("the model", "calibrate {}/m.onnx {}/set.npz --out {}/link.onnx"),
    ("the model", "calibrate {}/link.onnx {}/set.npz --out {}/m.onnx"),
    ("the model", "calibrate {}/m.onnx {}/set.npz --out {}/photos/../hard.onnx"),
    ("the model", "calibrate {}/apart.onnx {}/set.npz --out {}/apart.bin"),
    ("the images", "calibrate {}/m.onnx {}/set.npz --out {}/set.npz"),
    ("the images", "calibrate {}/m.onnx {}/photos --out {}/photos/guard.doldrum"),
    ("the images", "calibrate {}/m.onnx {}/photo.png --out {}/photo.png"),
    ("the list of labels", "calibrate {}/m.onnx {}/set.npz --labels {}/names.txt --out {}/names.txt"),
    ("which holds something else", "calibrate {}/m.onnx {}/set.npz --out {}/photo.png"),
    ("which holds something else", "calibrate {}/m.onnx {}/set.npz --out {}/other.json"),
    ("which holds something else", "evaluate {}/m.onnx {}/set.npz --out {}/m.onnx"),
    ("which holds something else", "evaluate {}/m.onnx {}/set.npz --out {}/set.npz"),
    ("the input", "evaluate {}/m.onnx {}/set.npz --attack-file {}/other.json --out {}/other.json"),
    ("which holds something else", "doctor {}/m.onnx --out {}/m.onnx"),
    ("the list of labels", "doctor {}/m.onnx --labels {}/names.json --out {}/names.json"),
    ("the images", "doctor {}/m.onnx --clean {}/photos --out {}/photos/a.json"),
    ("which holds something else", "doctor --out {}/photo.png"),
    ("which holds something else", "datasets --out {}/photo.png"),
    ("which holds something else", "attacks --out {}/names.txt"),
    ("the images", "poison {}/set.npz --attack badnets --out {}/set.npz"),
    ("which holds something else", "poison digits --attack badnets --out {}/set.npz"),
    ("which holds something else", "train {}/set.npz --out {}/mine.safetensors"),
]


@pytest.mark.parametrize(("why", "words"), WORDS, ids=[words for _, words in WORDS])
def test_an_out_that_would_be_a_loss_is_refused_before_any_work(call, files, monkeypatch, why, words):
    for at in ("doldrum.opening.open_settings", "doldrum.training.train", "doldrum.attacks.make_attack"):
        monkeypatch.setattr(at, lambda *a, **k: pytest.fail("began to work"))
    (files / "mine.safetensors").write_bytes(b"\x02" + b"\0" * 7 + b"{}")
    before = contents(files)
    code, _, err = call(*words.replace("{}", str(files)).split())
    assert code == 2, err
    assert err.splitlines()[-1].startswith("doldrum: expected"), err
    assert "--out" in err, err
    assert "name another" in err
    assert why in err, err
    assert contents(files) == before


def test_the_file_of_a_watch_is_never_the_detector_or_somebody_elses(call, files, monkeypatch):
    made, seen = files / "guard.doldrum", []
    code, _, err = call(
        "calibrate", files / "m.onnx", files / "set.npz", "--fpr", "0.1", "--detector", "max-softmax", "--out", made
    )
    assert code == 0, err
    monkeypatch.setattr(
        "doldrum.cli.commands.serve.open_as_calibrated", lambda *a, **k: pytest.fail("opened the model")
    )
    for watch in (made, files / "m.onnx", files / "other.json", files / "photo.png"):
        before = contents(files)
        code, _, err = call("serve", files / "m.onnx", "--detector", made, "--port", "0", "--watch", watch)
        assert (code, contents(files) == before) == (2, True), err
        assert re.search(r"expected (another|a new) file for --watch", err), err
        seen.append(err)
    assert len(set(seen)) == 4


def test_a_file_of_the_same_kind_is_replaced(call, files):
    made = files / "guard.doldrum"
    words = [
        "calibrate",
        files / "m.onnx",
        files / "set.npz",
        "--fpr",
        "0.1",
        "--detector",
        "max-softmax",
        "--out",
        made,
    ]
    kept = []
    for _ in range(2):
        code, _, err = call(*words)
        assert code == 0, err
        kept.append(made.read_bytes())
    assert kept[0] != kept[1]  # another secret seed
    (files / "d.json").touch()  # empty: nothing to lose
    for _ in range(2):
        code, _, err = call("attacks", "--out", files / "d.json")
        assert code == 0, err
        assert json.loads((files / "d.json").read_text())


def test_a_study_goes_on_in_no_folder_of_somebody_elses_records(call, files):
    (files / "records.jsonl").write_text('{"mine": 1}\n{"no": "newline"}')
    before = contents(files)
    code, _, err = call("study", "smoothing", "--out", files)
    assert (code, contents(files) == before) == (2, True), err
    assert "records.jsonl that no study wrote" in err
