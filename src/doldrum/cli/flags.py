"""Errors name Python's arguments, `num_classes=`; at the command line they are to name flags, `--num-classes`. Here one becomes the other."""

from __future__ import annotations

import re

__all__ = ["in_flags"]

# name= at the end of a word, or with a value: outputs='labels', trust_code=True, size=(3, 224)
_ARGUMENT = re.compile(r"(?<![\w&?.-])([a-z][a-z_]*)=(?!=)('[^']*'|\"[^\"]*\"|True\b|[\w.]+)?")
# Arguments of functions that the command line calls by another name.
_OTHERS = {"input_shape": "--size and --channels", "preprocessing": "--size", "until": "--until-decided"}


def in_flags(text: str) -> str:
    """An error's text with flags in place of arguments.

    >>> in_flags("expected num_classes= for labels, got none; pass outputs='logits' or trust_code=True")
    'expected --num-classes for labels, got none; pass --outputs logits or --trust-code'
    """

    def flag(match: re.Match[str]) -> str:
        name, value = match[1], match[2]
        told = _OTHERS.get(name, f"--{name.replace('_', '-')}")
        return told if value in (None, "True") else f"{told} {value.strip(chr(39) + chr(34))}"

    return _ARGUMENT.sub(flag, text)
