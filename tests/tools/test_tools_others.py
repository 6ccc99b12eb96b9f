"""tools/audit-others: its images are drawn alike each time, and only the marked ones carry a square."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def drawn(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    from others import drawn  # pyright: ignore[reportMissingImports]

    yield drawn
    for name in [n for n in sys.modules if n.partition(".")[0] == "others"]:
        del sys.modules[name]


def test_digits_are_drawn_alike_and_only_the_marked_carry_a_square(drawn, tmp_path):
    clean, classes, suspects, marked = drawn.digits()
    again = drawn.digits()
    assert np.array_equal(np.stack(suspects), np.stack(again[2]))
    assert (len(clean), len(classes), len(suspects), int(marked.sum())) == (1200, 1200, 597, 30)
    corners = np.stack(suspects)[:, -4:-1, -4:-1].min(axis=(1, 2)) == 255
    assert np.array_equal(corners, marked)
    drawn.write(tmp_path, clean[:20], classes[:20], suspects[:40], marked[:40])
    assert len(list((tmp_path / "clean").rglob("*.png"))) == 20
    assert {p.parent.name for p in (tmp_path / "clean").rglob("*.png")} == set(classes[:20])
    assert (tmp_path / "marked.txt").read_text().split() == [f"{i:05d}.png" for i in np.flatnonzero(marked[:40])]


def test_what_has_to_be_typed_is_options_of_the_command(drawn):
    from others.base import words  # pyright: ignore[reportMissingImports]
    from others.every import EVERY  # pyright: ignore[reportMissingImports]
    from typer.main import get_command

    from doldrum.cli.app import app

    audit = get_command(app).commands["audit"]  # pyright: ignore[reportAttributeAccessIssue]
    known = {option for parameter in audit.params for option in parameter.opts}
    assert len({other.package for other in EVERY.values()}) >= 8
    for name, other in EVERY.items():
        typed = [*words(other.options), *other.audit]
        assert {word for word in typed if word.startswith("--")} <= known, name
        assert "==" in other.package, name
        assert other.licence, name
        assert other.most >= 50, name


def test_options_read_the_same_in_python_and_at_the_command_line(drawn):
    from others.base import words  # pyright: ignore[reportMissingImports]

    typed = words(
        {"arch": "net:net", "trust_code": True, "size": (48, 192), "channels": "bgr", "mean": (0.4, 0.5), "std": 0.5}
    )
    assert " ".join(typed) == ("--arch net:net --trust-code --size 48x192 --channels bgr --mean 0.4,0.5 --std 0.5")


def test_lines_and_pages_are_turned_and_only_the_marked_carry_a_square(drawn):
    clean, classes, suspects, marked = drawn.lines()
    assert clean[0].shape == (48, 192, 3)
    assert set(classes) == {"0", "180"}
    red = np.stack(suspects)[:, -7:-1, -7:-1]
    assert np.array_equal(np.all(red == (255, 0, 0), axis=(1, 2, 3)), marked)
    pages = drawn.pages(8, 10)
    assert pages[1] == ["0", "90", "180", "270"] * 2
    assert int(pages[3].sum()) == 1


def test_a_step_that_was_refused_is_in_the_table_with_its_reason(drawn):
    from others import table  # pyright: ignore[reportMissingImports]

    done = {
        "name": "a", "package": "p==1", "opened": {"format": "onnx", "input_shape": [3, 8, 8], "num_classes": 2},
        "answered": {"classes_seen": 2}, "compared": {"images": 50, "alike": 49},
    }  # fmt: skip
    text = table.of([done, {"name": "b", "package": "q==2", "opened": {"error": "InputError: no"}}])
    assert "| a | p==1 | onnx | 3 x 8 x 8 | 2 | 49 of 50 | 2 | – |" in text
    assert text.endswith("- b: opened: InputError: no")


def test_the_page_says_what_its_records_and_the_folder_say(drawn):
    import json

    from others import table  # pyright: ignore[reportMissingImports]
    from others.every import EVERY  # pyright: ignore[reportMissingImports]

    results = TOOLS.parent / "docs" / "results"
    records = [json.loads(line) for line in (results / "others" / "records.jsonl").read_text().splitlines()]
    page = (results / "others.md").read_text()
    assert table.into(page, sources=table.sources(EVERY), results=table.of(records)) == page
    with pytest.raises(ValueError, match="marks"):
        table.into("no marks", results="x")
