"""Every page's Python runs as it stands, and its commands exist with the options shown."""

from __future__ import annotations

import re
import shlex
import sys
import types
from pathlib import Path

import pytest
import typer

from doldrum.attacks import ATTACKS
from doldrum.cli.app import app
from doldrum.detectors import DETECTORS
from doldrum.triggers import base

DOCS = Path(__file__).parents[2] / "docs"
ELSEWHERE = ("write-an-attack",)  # tests/attacks/test_write_an_attack.py
PAGES = sorted(page for page in DOCS.rglob("*.md") if "results" not in page.parts)


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module to run a page in; what pages add to the registries is taken out again."""
    monkeypatch.setattr(base, "_REGISTRY", dict(base._REGISTRY))
    for registry in (ATTACKS, DETECTORS):
        for key in ("frame", "kept-label"):
            if key not in registry:
                monkeypatch.setitem(registry, key, None)  # pyright: ignore[reportArgumentType]
                del registry[key]
    module = types.ModuleType("tutorial")
    monkeypatch.setitem(sys.modules, "tutorial", module)  # dataclasses look their module up
    return module


@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks(p, "python") and p.stem not in ELSEWHERE], ids=lambda p: p.stem
)
def test_a_page_runs_as_written(page: Path, home: types.ModuleType) -> None:
    exec(compile("\n".join(blocks(page, "python")), str(page), "exec", dont_inherit=True), home.__dict__)


def commands() -> list[str]:
    lines = [line for page in PAGES for block in blocks(page, "sh") for line in block.splitlines()]
    return sorted({line.partition("#")[0].strip() for line in lines if line.startswith("doldrum ")})


@pytest.mark.parametrize("line", commands())
def test_a_command_is_one_that_there_is(line: str) -> None:
    group = typer.main.get_command(app)
    name, *words = shlex.split(line)[1:]
    group.commands[name].make_context(name, words)  # type: ignore[attr-defined]


def test_the_detector_takes_as_many_lines_as_its_page_says() -> None:
    page = DOCS / "how-to/write-a-detector.md"
    body = blocks(page, "python")[0].split("class KeptLabel")[1].splitlines()
    code = [line for line in body if line.strip() and '"""' not in line]
    assert len(code) == 10
    assert "The detector has ten lines:" in page.read_text(encoding="utf-8")


def test_the_site_has_no_page_that_is_not_in_its_menu_and_no_dead_link(tmp_path: Path) -> None:
    """Strict: a broken link, anchor or reference is an error."""
    pytest.importorskip("mkdocs")
    import subprocess

    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=DOCS.parent, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) >= 20
    for page in pages:  # no page asks another server for anything
        loaded = re.findall(r"""<(?:script|img|iframe)[^>]+src=["'](https?:[^"']+)""", page.read_text(encoding="utf-8"))
        styles = re.findall(
            r"""<link[^>]+rel=["']?stylesheet[^>]+href=["']?(https?:[^"' >]+)""", page.read_text(encoding="utf-8")
        )
        assert loaded == [] == styles, page
