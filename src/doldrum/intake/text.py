"""Turn names and messages from other people into text that is safe to store, to show, and to open in a spreadsheet."""

from __future__ import annotations

import os
import unicodedata

__all__ = ["csv_safe", "visible"]

# Printable by Unicode's general category, and yet nothing is seen: fillers, variation selectors, blanks.
_UNSEEN = frozenset(
    [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10)]
) | frozenset(range(0xE0100, 0xE01F0))
_MOST_MARKS = 3  # accents on one letter: no script stacks more, and towers of them cover the lines around
_FORMULA = tuple("=+-@\t\r\n|%\uff1d\uff0b\uff0d\uff20")


def visible(name: str | bytes | os.PathLike[str], *, most: int = 255) -> str:
    r"""A name as one line of text in which every character is visible.

    `most` is the maximum number of characters. Characters that are invisible or misleading are escaped as in a Python
    string. The escaped characters are control characters (such as line breaks and ANSI's escape), characters that
    change the direction of text or have no width, and all spaces except the plain one. Lone surrogates, private and
    unassigned characters, and accents beyond three on a letter are escaped too. Bytes that are not UTF-8 become
    ``\xNN``. A longer name keeps its beginning and its end. The result can be encoded as UTF-8, and a second call does
    not change it.

    Markup is *not* escaped, since the kind of markup depends on where the text is used. Escape markup where the text is
    used, with the template engine (HTML), `rich.text.Text` (terminal), or :func:`csv_safe` (CSV). Letters of
    right-to-left scripts are kept, so isolate names in HTML (``<bdi>``).

    Two different names may give the same text, so use the result only for display, and not to open files.

    >>> visible("cat\n\x1b[31m\u202egnp.exe")
    'cat\\n\\x1b[31m\\u202egnp.exe'
    >>> visible(b"caf\xe9.png"), visible("caf\u00e9.png") == "caf\u00e9.png"
    ('caf\\xe9.png', True)
    >>> visible("a" * 1000, most=20)
    'aaaaaaaaa…aaaaaaaaaa'
    """
    raw = name if isinstance(name, (str, bytes)) else os.fspath(name)
    if isinstance(raw, bytes):
        raw = raw.decode("utf-8", "surrogateescape")
    if len(raw) <= most and raw.isascii() and raw.isprintable():  # nearly all of them
        return raw
    if len(raw) > 4 * most:  # names of megabytes are cut before they are looked at
        raw = raw[: 2 * most] + "…" + raw[-2 * most :]
    marks, seen = _MOST_MARKS, []
    for char in raw:
        marks = marks + 1 if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me") else 0
        plain = char.isprintable() and ord(char) not in _UNSEEN and marks <= _MOST_MARKS
        seen.append(char if plain else _escaped(char))
    text = "".join(seen)
    if len(text) <= most:
        return text
    return text[: (most - 1) // 2] + "…" + text[len(text) - most // 2 :]


def csv_safe(value: str | bytes | os.PathLike[str], *, most: int = 255) -> str:
    """Text for a field of a CSV file that a spreadsheet does not run as a formula.

    The text is the result of :func:`visible`, with an apostrophe before a formula.

    A formula starts with =, +, -, @, | or % (or their full-width forms), perhaps after spaces. Some programs show the
    apostrophe and some hide it, but none runs the text after it. Quotes and separators are not escaped here: use the
    `csv` module to write the file.

    Source: OWASP, "CSV Injection".

    >>> csv_safe("=HYPERLINK(\\"http://x\\")"), csv_safe("cat.png")
    ('\\'=HYPERLINK("http://x")', 'cat.png')
    """
    text = visible(value, most=most)
    return "'" + text if text.lstrip(" '\"").startswith(_FORMULA) else text


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as Python keeps it in file names
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii") if not char.isprintable() else f"\\u{code:04x}"
