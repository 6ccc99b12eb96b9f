"""Where a finding is: the URI of a file and, if the file contains many images, the name of the image in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_from_bytes

__all__ = ["Place", "image_place", "uri_of"]


@dataclass(frozen=True)
class Place:
    """The URI of a file, and the name of an image in it.

    The file's URI is relative to the working folder if the file is inside the working folder. `member` is the name of
    an image in an archive, table or array; "" means the file itself.
    """

    uri: str
    member: str = ""


def image_place(source: str, name: str, *, model: str) -> Place:
    """Return the place of one image of a source: the image's own file, or the archive, table or array that contains the
    image.

    A data set that is given by its name has no file, so the place of its images is the model's file.

    >>> image_place("fashion-mnist:test", "17", model="m.onnx")
    Place(uri='m.onnx', member='17')
    """
    if os.path.isdir(source):
        file = os.path.normpath(os.path.join(source, name))
        if Path(file).is_relative_to(os.path.normpath(source)) and os.path.isfile(file):
            return Place(uri_of(file))
    return Place(uri_of(source if os.path.exists(source) else model), name)


def uri_of(path: str) -> str:
    """The URI of a file, or of a web address.

    If the file is inside the working folder, its URI is relative to that folder, as code hosts expect. The URI of a
    file outside the working folder starts with file:///. A web address is not changed. Every character with a special meaning in URIs is escaped, and so is every
    byte that is not ASCII.

    >>> uri_of("inbox/a b#1.png"), uri_of("/x/\u00e9.png"), uri_of("http://127.0.0.1/predict?v=1")
    ('inbox/a%20b%231.png', 'file:///x/%C3%A9.png', 'http://127.0.0.1/predict?v=1')
    """
    if path.startswith(("http://", "https://")):
        return quote(path, safe="%/:?#[]@!$&'()*+,;=~")
    full = Path(os.path.abspath(path))
    if full.is_relative_to(Path.cwd()):
        return quote_from_bytes(os.fsencode(full.relative_to(Path.cwd()).as_posix()), safe="/~")
    return full.as_uri()
