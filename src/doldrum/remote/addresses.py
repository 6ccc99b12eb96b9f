"""Functions for addresses: recognise them, expand patterns, and remove secrets before they are shown."""

from __future__ import annotations

import itertools
import os
import re

from doldrum.errors import InputError

__all__ = ["expanded", "is_address", "is_pattern", "redacted", "scrubbed", "split_query"]

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_BRACES = re.compile(r"\{([^{}]+)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_MOST = 10_000_000
_IN_TEXT = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>()]+", re.IGNORECASE)
_SECRET_NAMES = re.compile(r"SECRET|TOKEN|PASSWORD|_KEY", re.IGNORECASE)
_SHORTEST = 8  # a shorter value of the environment may be any word


def is_address(place: str | os.PathLike[str]) -> bool:
    """Whether a place is an address, and not a path.

    >>> is_address("s3://bucket/a.tar"), is_address("photos/a.tar")
    (True, False)
    """
    return _SCHEME.match(os.fspath(place)) is not None


def is_pattern(place: str | os.PathLike[str]) -> bool:
    """Whether a place is a pattern: it has a range or a list in braces, and no file has this name.

    >>> is_pattern("s3://b/shard-{00..99}.tar"), is_pattern("{a,b}.tar"), is_pattern("s3://b/{x}.tar")
    (True, True, False)
    """
    text = os.fspath(place)
    found = any(_RANGE.fullmatch(inner) or "," in inner for inner in _BRACES.findall(split_query(text)[0]))
    return found and (is_address(text) or not os.path.exists(text))


def expanded(pattern: str) -> list[str]:
    """All file names that a pattern stands for, in order. The rules for patterns are those of WebDataset.

    `{000..099}` is a range of numbers, in which all numbers have as many digits as the first number. `{a,b}` is a list.

    Raises InputError for a range that goes down, and for more than ten million names.

    >>> expanded("s3://b/{x,y}-{08..10}.tar")[:4]
    ['s3://b/x-08.tar', 's3://b/x-09.tar', 's3://b/x-10.tar', 's3://b/y-08.tar']
    """
    path, query = split_query(pattern)
    parts = [_choices(part) if i % 2 else [part] for i, part in enumerate(_BRACES.split(path))]
    count = 1
    for choices in parts:
        count *= len(choices)
    if count > _MOST:
        raise InputError(f"expected a pattern of at most {_MOST:,} names, got {count:,}; split it")
    return ["".join(chosen) + query for chosen in itertools.product(*parts)]


def _choices(inner: str) -> list[str] | range:
    found = _RANGE.fullmatch(inner)
    if found is None:
        return inner.split(",") if "," in inner else ["{" + inner + "}"]
    first, last = found.groups()
    if int(last) < int(first) or int(last) - int(first) >= _MOST:
        raise InputError(
            f"expected a range of increasing numbers with at most {_MOST:,} names, got the range {{{inner}}}; write e.g. {{000..099}}"
        )
    return [str(i).zfill(len(first)) for i in range(int(first), int(last) + 1)]


def split_query(address: str) -> tuple[str, str]:
    """Split an address into two parts: the part before its query and fragment, and the query with the fragment. A path
    is never split.

    >>> split_query("https://host/a.tar?sig=x"), split_query("what?.tar")
    (('https://host/a.tar', '?sig=x'), ('what?.tar', ''))
    """
    if not is_address(address):
        return address, ""
    at = min((i for i in (address.find("?"), address.find("#")) if i >= 0), default=len(address))
    return address[:at], address[at:]


def redacted(address: str | os.PathLike[str]) -> str:
    """The address without user, password, query and fragment, which may be secrets. A path is not changed.

    >>> redacted("https://me:secret@host/a.tar?sig=x"), redacted("s3://bucket/a@2.tar"), redacted("photos/")
    ('https://host/a.tar?…', 's3://bucket/a@2.tar', 'photos/')
    """
    bare, query = split_query(os.fspath(address))
    scheme, slashes, rest = bare.partition("://")
    if not slashes or not is_address(bare):
        return bare
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}{'?…' if query else ''}"


def scrubbed(text: object) -> str:
    """A library's text, made safe to show: addresses are redacted, and secrets from the environment are removed.

    >>> scrubbed("403, url='https://me:pw@host/a?X-Amz-Signature=abc'")
    "403, url='https://host/a?…'"
    """
    said = _IN_TEXT.sub(lambda found: redacted(found[0]), str(text))
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and _SECRET_NAMES.search(name):
            said = said.replace(value, "…")
    return said
