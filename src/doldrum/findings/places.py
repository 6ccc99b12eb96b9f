"""Where a finding is: a file as a URI, and what inside it where it holds many images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_from_bytes

__all__ = ["Place", "image_place", "uri_of"]


@dataclass(frozen=True)
class Place:
    """A file by its URI, relative to the working folder where it is in there; `member` names an image inside an archive, table or array."""

    uri: str
    member: str = ""


def image_place(source: str, name: str, *, model: str) -> Place:
    """The place of an image called `name` of `source`: its own file; else the file that holds it; else, of a data set by name, the model's.

    >>> image_place("fashion-mnist:test", "17", model="m.onnx")
    Place(uri='m.onnx', member='17')
    """
    if os.path.isdir(source):
        file = os.path.normpath(os.path.join(source, name))
        if Path(file).is_relative_to(os.path.normpath(source)) and os.path.isfile(file):
            return Place(uri_of(file))
    return Place(uri_of(source if os.path.exists(source) else model), name)


def uri_of(path: str) -> str:
    """A file's URI: relative to the working folder where it is in there, as code hosts expect; else file:///...; an address stays one.

    Every character with a meaning in URIs is escaped, and so is every byte that is not ASCII.

    >>> uri_of("inbox/a b#1.png"), uri_of("/x/\u00e9.png"), uri_of("http://127.0.0.1/predict?v=1")
    ('inbox/a%20b%231.png', 'file:///x/%C3%A9.png', 'http://127.0.0.1/predict?v=1')
    """
    if path.startswith(("http://", "https://")):
        return quote(path, safe="%/:?#[]@!$&'()*+,;=~")
    full = Path(os.path.abspath(path))
    if full.is_relative_to(Path.cwd()):
        return quote_from_bytes(os.fsencode(full.relative_to(Path.cwd()).as_posix()), safe="/~")
    return full.as_uri()
