"""Reads the images of a request: the files of a multipart form, kept in memory."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from doldrum.intake import visible
from doldrum.serving.load import Body
from doldrum.serving.refusal import Refusal

__all__ = ["FIELD", "Gone", "read_images"]

FIELD = "images"
_HEADERS = 4096  # bytes of one part's headers
_EXTENDED = re.compile(
    rb";\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]*)", re.IGNORECASE
)  # RFC 5987; the parser leaves it out
_EXAMPLE = f"curl -F {FIELD}=@a.png -F {FIELD}=@b.png …"


class Gone(Exception):
    """Raised if the client closed the connection."""


@dataclass
class _Part:
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    size: int = 0  # of the headers
    file: str | None = None
    data: bytearray = field(default_factory=bytearray)


async def read_images(
    content_type: str, receive: Callable[[], Awaitable[Mapping[str, Any]]], *, body: Body, most: int
) -> list[tuple[str, bytes]]:
    """Return (name, bytes) of each file in the received form. A file without a name gets its number as its name.

    Raises Refusal: 415 for another content type, 413 for more than `most` files, and 400 for a form that is invalid,
    incomplete or without files. Raises Gone if the client leaves.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise Refusal(
            415,
            f"expected multipart/form-data with files in the field {FIELD!r}, got {visible(kind or 'nothing')}; {_EXAMPLE}",
        )
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 70:  # RFC 2046, section 5.1.1
        raise Refusal(400, f"expected a boundary of 1 to 70 characters, got {len(boundary)}; {_EXAMPLE}")
    form = _Form(most)
    parser = MultipartParser(boundary, form.callbacks)  # pyright: ignore[reportArgumentType]
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        data = message.get("body", b"")
        body.add(len(data))
        try:
            parser.write(data)
        except FormParserError as error:
            raise Refusal(
                400,
                f"expected a multipart form, got a body that is no such form ({visible(str(error), most=200)}); {_EXAMPLE}",
            ) from error
        more = message.get("more_body", False)
    if not form.whole:
        raise Refusal(400, f"expected a complete form, got a form that is cut off; {_EXAMPLE}")
    if not form.files:
        raise Refusal(400, f"expected at least one file in the field {FIELD!r}, got none; {_EXAMPLE}")
    return form.files


class _Form:
    """The callbacks of the form parser. These callbacks collect the files in order."""

    def __init__(self, most: int) -> None:
        self.files: list[tuple[str, bytes]] = []
        self.whole = False
        self._most, self._part, self._name, self._value = most, _Part(), bytearray(), bytearray()
        self.callbacks: dict[str, Callable[..., None]] = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._whole,
        }

    def _begin(self) -> None:
        if len(self.files) >= self._most:
            raise Refusal(
                413, f"expected at most {self._most} images per request, got more; send the rest in another request"
            )
        self._part = _Part()

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += self._counted(data, start, end)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += self._counted(data, start, end)

    def _counted(self, data: bytes, start: int, end: int) -> bytes:
        self._part.size += end - start
        if self._part.size > _HEADERS:
            raise Refusal(
                400, f"expected headers of at most {_HEADERS} bytes for a file, got more; give the file a shorter name"
            )
        return data[start:end]

    def _header_end(self) -> None:
        self._part.headers.append((bytes(self._name).lower(), bytes(self._value)))
        self._name, self._value = bytearray(), bytearray()

    def _headers(self) -> None:
        told = next((value for name, value in self._part.headers if name == b"content-disposition"), b"")
        options = parse_options_header(told)[1]
        name, file = options.get(b"name", b""), options.get(b"filename")
        if file is None and (extended := _EXTENDED.search(told)) is not None:
            file = unquote_to_bytes(extended[1])
        if name != FIELD.encode() or file is None:
            what = "a text" if file is None else "a file"
            raise Refusal(
                400, f"expected files in the field {FIELD!r}, got {what} in the field {visible(name)!r}; {_EXAMPLE}"
            )
        self._part.file = visible(file) or str(len(self.files))

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._part.data += data[start:end]

    def _end(self) -> None:
        if self._part.file is not None:
            self.files.append((self._part.file, bytes(self._part.data)))

    def _whole(self) -> None:
        self.whole = True
