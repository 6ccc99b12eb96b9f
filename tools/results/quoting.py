"""Hold what a page quotes against what the records say.

A quote is a piece of text, with its figures computed from the records, that a page has to hold. Where lines break doesn't matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_NUMBER = r"[+-]?(?:\d+\.\d+|\.\d+|\d+)"
_PART = re.compile(rf"({_NUMBER}|\s+)")


@dataclass(frozen=True)
class Wrong:
    """A quote that a page does not hold; `found` is the same text there with other figures, if there is one."""

    quote: str
    found: str | None

    def __str__(self) -> str:
        found = "no text like it" if self.found is None else f'"{" ".join(self.found.split())}"'
        return f'expected "{" ".join(self.quote.split())}", got {found}'


def check(text: str, quotes: Iterable[str]) -> list[Wrong]:
    """What the text does not say as the records do.

    >>> check("W falls by .146\\n(95% .112 to .180).", ["falls by .146 (95% .112 to .180)"])
    []
    >>> print(*check("W falls by .147 (95% .112 to .180).", ["falls by .146 (95%"]))
    expected "falls by .146 (95%", got "falls by .147 (95%"
    """
    wrong = []
    for quote in quotes:
        if not _exactly(quote).search(text):
            found = _likely(quote).search(text)
            wrong.append(Wrong(quote, found and found[0]))
    return wrong


def corrected(text: str, wrong: Sequence[Wrong]) -> str:
    """The text with the figures of the records, where the words around them are as quoted.

    >>> corrected("W falls by\\n.147 here", [Wrong("falls by .146", "falls by\\n.147")])
    'W falls by\\n.146 here'
    """
    for each in wrong:
        if each.found is not None:
            figures = iter(re.findall(_NUMBER, each.quote))
            text = text.replace(each.found, re.sub(_NUMBER, lambda _, left=figures: next(left), each.found), 1)
    return text


def unquoted(text: str, quotes: Iterable[str]) -> list[str]:
    """Lines with figures that no quote covers: for anyone who writes quotes.

    >>> unquoted("W is .3\\nand .4", ["W is .3"])
    ['and .4']
    """
    for quote in quotes:
        text = _exactly(quote).sub(lambda found: re.sub(r"\d", "_", found[0]), text)
    return [line for line in text.splitlines() if re.search(r"\d", line)]


def _exactly(quote: str) -> re.Pattern[str]:
    """The quote, whatever the spaces; a figure at either end is a whole one."""
    parts = [r"\s+" if part.isspace() else re.escape(part) for part in _PART.split(quote.strip())]
    start = r"(?<![\d.+-])" if re.match(_NUMBER, quote.strip()) else ""
    return re.compile(rf"{start}{''.join(parts)}(?!\d|\.\d)")


def _likely(quote: str) -> re.Pattern[str]:
    """The quote with any figures."""
    parts = [
        r"\s+" if part.isspace() else _NUMBER if re.fullmatch(_NUMBER, part) else re.escape(part)
        for part in _PART.split(quote.strip())
    ]
    return re.compile("".join(parts))
