"""The sentences of a file, to be read by somebody who has not seen the project."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wording.check import MARKUP, strings

__all__ = ["Sentence", "draw", "sentences"]

_FENCE = re.compile(r"^( *)(```|~~~).*?^\1\2 *$|<!--.*?-->", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*\)")
_APART = re.compile(r"^ *$|^\f|^ *(?=[-*+] |\d+\. |#|\||>>> |!!!|[\w*, ]+ : |---)", re.MULTILINE)
_SKIPPED = re.compile(r"#|:::|---|Sources?: |\||>>>|!!!|\.\. ")
_LIST = re.compile(r"^(?:[-*+]|\d+\.) +")
_END = re.compile(r"(?<=[.!?])[)\"”*]* +(?=[A-Z`\"“*(])")
_WORD = re.compile(r"[A-Za-z]{2,}")
_FEWEST_WORDS = 5


@dataclass(frozen=True)
class Sentence:
    """A sentence, and where it starts."""

    path: Path
    line: int
    said: str


def draw(paths: Sequence[Path], count: int, seed: int) -> list[Sentence]:
    """Sentences picked at random among those of all files, each as likely as another."""
    found = [each for path in paths for each in sentences(path)]
    return random.Random(seed).sample(found, min(count, len(found)))


def sentences(path: Path) -> Iterator[Sentence]:
    """Sentences of five words and more: of paragraphs and lists, docstrings and messages, and the text between markup."""
    text = path.read_text(encoding="utf-8")
    for line, block in {".py": _python, ".j2": _template}.get(path.suffix, _markdown)(text):
        for said in _END.split(" ".join(_LIST.sub("", block.strip()).split())):
            if len(_WORD.findall(said)) >= _FEWEST_WORDS:
                yield Sentence(path, line, said)


def _markdown(text: str) -> Iterator[tuple[int, str]]:
    yield from _blocks(_LINK.sub(r"\1", _FENCE.sub(_lines, text)), 1)


def _template(text: str) -> Iterator[tuple[int, str]]:
    yield from _blocks(MARKUP.sub(_lines, text), 1)


def _python(text: str) -> Iterator[tuple[int, str]]:
    for line, said in strings(text):
        yield from _blocks(_by_indent(said), line)


def _blocks(text: str, first: int) -> Iterator[tuple[int, str]]:
    """Paragraphs and list items, with their first lines; no headings, tables and examples."""
    starts = [0, *(match.start() for match in _APART.finditer(text)), len(text)]
    for start, end in itertools.pairwise(starts):
        block = text[start:end]
        if block.strip() and not _SKIPPED.match(block.strip()):
            yield first + text.count("\n", 0, start + len(block) - len(block.lstrip())), block


def _by_indent(text: str) -> str:
    """The text with a form feed before each line that is indented more or less than the one before: what is said of a parameter is a block of its own."""
    made: list[str] = []
    depth = None  # of the first line nothing is known: it follows the quotes
    for line in text.split("\n"):
        before, depth = depth, len(line) - len(line.lstrip()) if made and line.strip() else None
        goes_on = made and _LIST.match(made[-1].strip())
        made.append(f"\f{line}" if None not in (before, depth) and before != depth and not goes_on else line)
    return "\n".join(made)


def _lines(match: re.Match[str]) -> str:
    """The line breaks alone."""
    return "\n" * match[0].count("\n")
