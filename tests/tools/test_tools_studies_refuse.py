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


def test_too_few_images_to_split_and_a_patch_for_another_attack(monkeypatch, capsys, tmp_path):
    words = ("--out", tmp_path / "x.jsonl")
    assert "expected --images of at least 130, got 129" in refused(
        monkeypatch, capsys, "few-images-study", "--images", 129, *words
    )
    found = refused(monkeypatch, capsys, "few-images-study", "--attacks", "lf", "--patch", 4, *words)
    assert "expected --patch with --attacks badnets alone, got lf" in found
    assert not list(tmp_path.iterdir())


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
