"""Read the picture files of a job as data URIs, and check their names, headers and sizes without decoding pixels."""

from __future__ import annotations

import base64
import os
import re
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Pictures", "Shot"]

_MOST_BYTES = 32 * 2**20  # of PNG in one page: browsers open that in a second or two, and mail can still carry it
_MOST_A_PICTURE = 4 * 2**20
_MOST_SIDE = 4096
_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_NAME = re.compile(r"[0-9]{1,9}\.png")
_PART = re.compile(r"[0-9]{1,9}-[a-z-]{1,40}(-[0-9]{1,3})?\.png")
_NOISY = re.compile(r"([0-9]{1,9})-noisy-([0-9][0-9.e+-]{0,15})\.png")


@dataclass(frozen=True)
class Shot:
    """A picture on a page: its data URI, its size in pixels and, for a noisy copy, the noise strength as text."""

    uri: str
    width: int
    height: int
    strength: str = ""


class Pictures:
    """The PNG files in `folder`. `budget` is the largest allowed total size, in bytes, of the pictures on a page.

    A file is ignored if it is a link, if its name or header does not have the expected form, or if a side of the picture is over
    4096 pixels.
    `left_out` counts the files that are left out because the limit is reached.
    """

    def __init__(self, folder: Path, *, budget: int = _MOST_BYTES) -> None:
        self.folder, self.left, self.left_out = folder, budget, 0
        self._noisy: dict[str, list[tuple[float, str, str]]] = {}
        for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
            if found := _NOISY.fullmatch(name):
                strength = _as_float(found[2])
                if strength is not None:
                    self._noisy.setdefault(found[1], []).append((strength, found[2], name))

    def main(self, name: str | None) -> Shot | None:
        """The picture of an input, or None if there is none."""
        return self._read(name) if name and _NAME.fullmatch(name) else None

    def part(self, name: str) -> Shot | None:
        """A picture that shows one part of an explanation, named NUMBER-NAME.png or NUMBER-NAME-NUMBER.png; None if it is missing."""
        return self._read(name) if _PART.fullmatch(name) else None

    def noisy(self, name: str | None) -> list[Shot]:
        """The pictures of an input's noisy copies, the weakest noise first."""
        if not name or not _NAME.fullmatch(name):
            return []
        found = [(self._read(n), written) for _, written, n in sorted(self._noisy.get(name[:-4], []))]
        return [Shot(s.uri, s.width, s.height, written) for s, written in found if s]

    def named(self, name: str) -> Shot | None:
        """The picture in the file `name`, or None if there is no such file. The name must come from doldrum's own code,
        not from an attacker."""
        return self._read(name)

    def _read(self, name: str) -> Shot | None:
        try:
            # No link is followed, and a pipe or device doesn't block.
            handle = os.open(
                self.folder / name, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            )
        except OSError:
            return None
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return None
            with os.fdopen(handle, "rb", closefd=False) as file:
                data = file.read(_MOST_A_PICTURE + 1)
        finally:
            os.close(handle)
        if len(data) < 33 or len(data) > _MOST_A_PICTURE or not data.startswith(_PNG):
            return None
        width, height = struct.unpack(">II", data[16:24])
        if not (0 < width <= _MOST_SIDE and 0 < height <= _MOST_SIDE):
            return None
        if len(data) > self.left:
            self.left_out += 1
            return None
        self.left -= len(data)
        return Shot("data:image/png;base64," + base64.b64encode(data).decode("ascii"), width, height)


def _as_float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
