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


def test_the_commands_of_an_attack_are_shown() -> None:
    shown = {shlex.split(line)[1] for line in commands()}
    assert {"measure", "attacks", "poison", "train", "evaluate", "datasets", "doctor"} <= shown


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
