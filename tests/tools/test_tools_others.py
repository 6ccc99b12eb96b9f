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
    from others import models  # pyright: ignore[reportMissingImports]
    from typer.main import get_command

    from doldrum.cli.app import app

    audit = get_command(app).commands["audit"]  # pyright: ignore[reportAttributeAccessIssue]
    known = {option for parameter in audit.params for option in parameter.opts}
    for name, model in models.MODELS.items():
        assert {word for word in model.options if word.startswith("--")} <= known
        assert model.model in model.files.values()
        assert callable(getattr(drawn, name))
