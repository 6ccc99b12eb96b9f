"""What few-images-study, imagenet-study and evading-study refuse in one line, before any work."""

from __future__ import annotations

import sys

import pytest
from tool_files import load_tool


def refused(monkeypatch, capsys, tool: str, *words: object) -> str:
    """The error message of `tool`, which must do no work."""
    module = load_tool(tool)
    for name in ("measured", "few", "scanned", "rows"):
        monkeypatch.setattr(module, name, lambda *a, **k: pytest.fail("began to work"), raising=False)
    monkeypatch.setattr(sys, "argv", [tool, *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_too_few_test_images(monkeypatch, capsys, tmp_path):
    words = ("--data", "textures,classes=10", "--recipe", "colour-cnn", "--out", tmp_path / "x.jsonl")
    found = refused(monkeypatch, capsys, "few-images-study", *words)
    assert "expected at least 2,650 test images, got 500 in textures,classes=10" in found
    assert "for textures, at least classes=53" in found
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--images", 199), "expected --images of at least 200, got 199; e.g. --images 200"),
        (("--attacks", "lf", "--patch", 4), "expected --patch with --attacks badnets alone, got lf"),
        (("--splits", 0), "expected --splits of at least 1, got 0"),
        (("--attacks", "badnets", "clean"), "got a clean model, which has no triggered images"),
        (("--attacks", "badnets", "nosuch"), "nosuch"),
        (("--seeds", 0, -1), "-1"),
        (("--patch", 40), "40"),
        (
            ("--data", "digits", "--recipe", "digits-mlp", "--images", 200),
            "test images, got 359 in digits; name a larger data set",
        ),
    ],
)
def test_a_wrong_word_is_refused_before_the_first_model(monkeypatch, capsys, tmp_path, words, message):
    found = refused(monkeypatch, capsys, "few-images-study", *words, "--out", tmp_path / "x.jsonl")
    assert message in found
    assert "or at most --images" not in found
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [200, 201])
def test_the_fewest_images_are_enough_and_a_line_is_for_its_settings_alone(monkeypatch, capsys, tmp_path, number):
    study, out = load_tool("few-images-study"), tmp_path / "x.jsonl"
    monkeypatch.setattr(study, "measured", lambda cell, splits: {"classes": 10, "hits": 0, "sizes": []})
    for words in (("--patch", 5), (), ("--epochs", 1), ("--splits", 3), ("--patch", 5)):
        given = ["few-images-study", "--images", number, *words, "--out", out]
        monkeypatch.setattr("sys.argv", [str(word) for word in given])
        study.main()
    assert len(out.read_text().splitlines()) == 4
    assert "already in" in capsys.readouterr().out.splitlines()[-1]


def test_a_size_that_the_data_set_does_not_have(monkeypatch, capsys, tmp_path):
    words = ("--attacks", "badnets", "--size", 500, "--out", tmp_path / "x.jsonl")
    found = refused(monkeypatch, capsys, "imagenet-study", *words)
    assert "expected the option size of textures to be a whole number from 32 to 224, got '500'" in found


@pytest.mark.parametrize(
    ("tool", "before"),
    [("evading-study", ()), ("imagenet-study", ("--attacks", "badnets", "--out")), ("few-images-study", ("--out",))],
)
def test_an_out_that_is_a_folder_or_another_file(monkeypatch, capsys, tmp_path, tool, before):
    assert "got the folder" in refused(monkeypatch, capsys, tool, *before, tmp_path)
    for text in ("my thesis", "[1]"):
        (tmp_path / "x.txt").write_text(text)
        found = refused(monkeypatch, capsys, tool, *before, tmp_path / "x.txt")
        assert "expected a new file, or one that this tool wrote" in found
        assert (tmp_path / "x.txt").read_text() == text
