"""Docstrings as the site shows them: doctests become examples, Sphinx's roles names, prose after a section is kept.

The parser of NumPy's style takes everything after "Parameters" for parameters until the next heading; ours go on in prose.
"""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:func|class|mod|meth):`([^`]+)`")
_HEADING = re.compile(r"^(Parameters|Returns|Yields|Raises|Attributes|Examples)\n-+$", re.MULTILINE)
_ITEM = re.compile(r"[\w*]+(, [\w*]+)*( : .+)?")


class ReadableDocstrings(griffe.Extension):
    """Run by mkdocstrings on every object that it collects."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = arranged(_ROLE.sub(r"`\1`", obj.docstring.value))


def arranged(text: str) -> str:
    """Prose, then the sections, then the examples."""
    prose: list[str] = []
    sections: list[str] = []
    examples: list[str] = []
    section = ""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if found := _HEADING.match(paragraph):
            section = found[1]
            if section != "Examples":
                sections.append(paragraph)
            elif rest := paragraph[found.end() :].strip("\n"):
                examples.append(rest)
        elif paragraph.startswith(">>>") or section == "Examples":
            examples.append(paragraph)
        elif section and is_item(paragraph, section):
            sections.append(paragraph)
        else:
            prose.append(paragraph)
    if examples:
        sections.append("Examples\n--------\n" + "\n\n".join(examples))
    return "\n\n".join([*prose, *sections])


def is_item(paragraph: str, section: str) -> bool:
    """Whether a paragraph below a heading belongs to it: it goes on indented, or is a name with its type."""
    first, *others = paragraph.splitlines()
    if first.startswith((" ", "\t")):
        return True
    if first.startswith(("Raises ", "Source:")):
        return False
    return bool(others and others[0].startswith(" ")) or bool(_ITEM.fullmatch(first)) or section == "Returns"
