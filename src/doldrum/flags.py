"""Replace the names of Python arguments in error messages, such as `num_classes=`, by command-line flags, such as
`--num-classes`."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

__all__ = ["flags_of", "in_flags"]

# name=, or with a value: outputs='labels', trust_code=True, size=(224, 224). Not what was typed: a quoted text, and the options of a
# data set such as textures,size=64.
_ARGUMENT = (
    r"(?<![\w=])(?:'[^'\n]*'|\"[^\"\n]*\")(?!\w)"
    r"|(?<![\w&?.,:;/-])(?<!--set )([a-z][a-z_]*)=(?!=)('[^']*'|\"[^\"]*\"|\([^()]*\)|\[[^\[\]]*\]|True\b|[\w.]+)?"
)
# Arguments that the command line calls by another name.
_OTHERS = {
    "input_shape": "--size and --channels",
    "preprocessing": "--size",
    "output": "--output-name",
    "max_queries": "--queries",
    "until": "--until-decided",
    "token": "--endpoint-token",
}


def flags_of(command: Any) -> frozenset[str]:
    """Return the names of all options of a click command and its subcommands, with underscores in place of hyphens."""
    names = {
        word.removeprefix("--").replace("-", "_")
        for one in [command, *getattr(command, "commands", {}).values()]
        for parameter in one.params
        for word in parameter.opts
        if word.startswith("--")
    }
    return frozenset(names)


def in_flags(text: str, flags: Collection[str], *, typed: Collection[str] = ()) -> str:
    """Replace the names of Python arguments in an error message by the command-line flags in `flags`.

    Quoted text and the options of data sets stay as they are, and so do the words in `typed`, which the user typed.

    >>> in_flags("expected num_classes= for labels; pass outputs='logits' or trust_code=True", {"num_classes", "outputs", "trust_code"})
    'expected --num-classes for labels; pass --outputs logits or --trust-code'
    >>> in_flags("expected size= as height and width, got 7; e.g. size=(224, 224)", {"size"})
    'expected --size as height and width, got 7; e.g. --size 224x224'
    >>> in_flags("got 'size=225'; e.g. textures,size=32", {"size"})
    "got 'size=225'; e.g. textures,size=32"
    """

    def flag(match: re.Match[str]) -> str:
        name, value = match[1], match[2]  # both None for text that stays
        if name not in flags and name not in _OTHERS:
            return match[0]
        told = _OTHERS.get(name, f"--{name.replace('_', '-')}")
        if value in (None, "True") or name in _OTHERS:
            return told
        parts = [part.strip(" '\"") for part in value.strip("'\"()[]").split(",")]
        return f"{told} {('x' if name == 'size' else ',').join(parts)}"

    if "set" in flags:  # a setting of an attack
        text = re.sub(r"settings\['(\w+)'\]", r"--set \1", text)
    words = [word.split("=", 1)[1] if word.startswith("--") else word for word in typed if "=" in word]
    kept = [re.escape(word) for word in words if "=" in word]
    return re.sub("|".join([*kept, _ARGUMENT]), flag, text)
