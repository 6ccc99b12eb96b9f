"""README's Python runs as it stands, and its commands exist with the options shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from doldrum.cli.app import app

README = Path(__file__).parents[2] / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_first_block_runs_as_it_is_pasted() -> None:
    found: dict = {}
    exec(blocks("python")[0], found)
    assert found["w"].value.shape == (20, 4)


def commands() -> list[str]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [line.partition("#")[0].strip() for line in lines if line.startswith("doldrum ")]


@pytest.mark.parametrize("line", commands())
def test_a_command_is_one_that_there_is(line: str) -> None:
    group = typer.main.get_command(app)
    name, *words = shlex.split(line)[1:]
    command = group.commands[name]  # type: ignore[attr-defined]
    command.make_context(name, words)


def test_the_two_questions_are_answered_by_commands_and_every_command_is_shown_or_linked() -> None:
    shown = {shlex.split(line)[1] for line in commands()}
    assert {"references", "inspect", "audit"} <= shown
    pages = [README.parent / "docs" / name for name in ("how-to/make-a-backdoor.md", "tutorials/first-ten-minutes.md")]
    lines = [line.split("#")[0] for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    shown |= {shlex.split(line)[1] for line in lines if line.startswith("doldrum ")}
    assert {"measure", "attacks", "poison", "train", "evaluate", "datasets", "doctor"} <= shown
    table = README.read_text(encoding="utf-8").split("## What it does")[1]
    group = typer.main.get_command(app)
    missing = [
        name
        for name in group.commands
        if name not in shown and f"`doldrum {name}" not in table and f"`{name}`" not in table
    ]  # type: ignore[attr-defined]
    assert missing == []


def test_it_fits_a_screen_and_a_half() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 110


def test_links_lead_to_what_is_in_the_repository() -> None:
    """Not to what is built: a reader of the repository's page has no site."""
    links = re.findall(r"\]\(((?!https?:)[^)]+)\)", README.read_text(encoding="utf-8"))
    assert len(links) > 10
    for path, _, anchor in (link.partition("#") for link in links):
        target = README.parent / path
        assert target.exists(), path
        assert not re.match(r"docs/results/[^/]+/(report\.html|figures|tables)", path), path
        heads = re.findall(r"^#+ (.*)", target.read_text(encoding="utf-8"), re.MULTILINE) if anchor else []
        anchors = [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads]
        assert not anchor or anchor in anchors, f"{path}#{anchor}"
