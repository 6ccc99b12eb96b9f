"""The tutorial's code, run as it stands."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

from doldrum.attacks import ATTACKS
from doldrum.triggers import base

PAGE = Path(__file__).parents[2] / "docs/how-to/write-an-attack.md"


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def test_the_tutorial_runs_as_written(monkeypatch) -> None:
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))
    home = types.ModuleType("tutorial")
    monkeypatch.setitem(sys.modules, "tutorial", home)  # dataclasses look their module up
    before = dict(ATTACKS)
    try:
        exec(compile("\n".join(blocks()), str(PAGE), "exec", dont_inherit=True), home.__dict__)
    finally:
        ATTACKS.clear()
        ATTACKS.update(before)
    assert "victim" in home.__dict__


def statements(block: str) -> list[str]:
    """Lines of code: neither imports nor docstrings nor empty ones."""
    lines = [line for line in block.splitlines() if line.strip() and '"""' not in line]
    return [line for line in lines if not line.startswith(("import ", "from "))]


def test_a_new_attack_takes_as_many_lines_as_the_tutorial_says() -> None:
    text, found = PAGE.read_text(encoding="utf-8"), blocks()
    trigger, by_id = statements(found[0]), statements(found[3].split("victim =")[0])
    assert (len(trigger), len(by_id)) == (9, 3)
    assert "The code has nine lines, not counting the docstring:" in text
    assert "Three more lines and an import" in text
    assert "A new attack takes 9 lines of code, or 12 if `run_attack` should know it by an id" in text
