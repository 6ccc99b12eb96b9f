"""Which lines of a file hold what the rules are against."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wording.rules import RULES, Rule

__all__ = ["MARKUP", "Found", "check", "files", "in_markdown", "in_python", "in_template", "strings"]

_ALLOWED = "words: ok"
_CODE = re.compile(
    r"^( {0,3})(```|~~~).*?^\1\2`*$|`[^`\n]+`|<!--.*?-->|\]\([^)\s]*\)|https?://\S+", re.MULTILINE | re.DOTALL
)
MARKUP = re.compile(r"\{[{%#].*?[}%#]\}|<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL)


@dataclass(frozen=True)
class Found:
    """A word in a line, and what to write instead."""

    path: Path
    line: int
    said: str
    better: str

    def __str__(self) -> str:
        return f'"{self.said}"; write: {self.better}'


def files(root: Path) -> list[Path]:
    """What a reader meets: pages, and the texts in the package."""
    pages = [root / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
    source = root / "src" / "doldrum"
    found = [*pages, *(root / "docs").rglob("*.md"), *source.rglob("*.py"), *source.rglob("*.j2")]
    return sorted(path for path in found if path.is_file())


def check(path: Path, rules: Sequence[Rule] = RULES) -> list[Found]:
    """What is found in a file, by its kind."""
    text = path.read_text(encoding="utf-8")
    read = {".py": in_python, ".j2": in_template}.get(path.suffix, in_markdown)
    lines = text.splitlines()
    found: list[Found] = []
    for first, said in read(text):
        for rule in rules:
            for match in rule.pattern.finditer(said):
                start = match.start() + len(match[0]) - len(match[0].lstrip(" \t.!"))
                line = first + said.count("\n", 0, start)
                if _ALLOWED not in lines[line - 1]:
                    found.append(Found(path, line, " ".join(match[0].split()), rule.better))
    return sorted(set(found), key=lambda each: (each.line, each.said))


def in_markdown(text: str) -> Iterator[tuple[int, str]]:
    """The text without code, links and comments; lines stay where they are.

    >>> list(in_markdown("mend `mend` it"))
    [(1, 'mend        it')]
    """
    yield 1, _CODE.sub(_blank, text)


def in_template(text: str) -> Iterator[tuple[int, str]]:
    """The text between the markup."""
    yield 1, MARKUP.sub(_blank, text)


def in_python(text: str) -> Iterator[tuple[int, str]]:
    """Every string with its first line; the parts of an f-string together, what is put in as "…".

    >>> list(in_python("x = f'a {b} c'  # mend"))
    [(1, 'a … c')]
    """
    for line, said in strings(text):
        yield line, re.sub(r"``[^`]*``|`[^`\n]+`", _blank, said)


def strings(text: str) -> Iterator[tuple[int, str]]:
    """The strings of Python code as they are, backticks included; of plain strings those with a space."""
    nodes = list(ast.walk(ast.parse(text)))
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in node.values)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in parts
            and " " in node.value
        ):
            yield node.lineno, node.value


def _blank(match: re.Match[str]) -> str:
    """As many spaces, and the same line breaks."""
    return re.sub(r"[^\n]", " ", match[0])
