"""Turn an archive's entries into pictures: find the images, group the entries of one sample, and name them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.intake.base import ImageLimits, Picture, Skipped
from doldrum.intake.decode import FORMATS, decode_image
from doldrum.intake.kinds import CONTAINERS, kind_of
from doldrum.intake.tar import TarMember
from doldrum.intake.text import visible

__all__ = ["as_rgb", "folder_label", "picture_or_why", "sniffed", "tar_pictures"]

_CLASS_BYTES = 256
_OTHERS = 1000  # entries of one sample that are held to be listed


def as_rgb(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert an image from (1 or 3, H, W) to (H, W, 3)."""
    return np.ascontiguousarray(np.broadcast_to(array.transpose(1, 2, 0), (*array.shape[1:], 3)))


def folder_label(name: str) -> str | None:
    """The class of an image according to its path: the name of the innermost folder, or None without a folder.

    >>> folder_label("train/cat/1.png"), folder_label("1.png")
    ('cat', None)
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return visible(parts[-2]) if len(parts) > 1 else None


def sniffed(head: bytes) -> str | None:
    """The reason why an entry with these first bytes is not decoded; None if the entry looks like an image.

    >>> sniffed(b"%!PS-Adobe-3.0")
    'expected an image (PNG, JPEG, BMP, GIF, WEBP, TIFF, PPM), got PostScript; leave out this file'
    """
    kind = kind_of(head)
    if kind in FORMATS:
        return None
    if kind in CONTAINERS:
        return f"expected an image, got an archive or a table ({kind}) inside another one; unpack it and open it separately"
    return f"expected an image ({', '.join(FORMATS)}), got {kind or 'another kind of file'}; leave out this file"


def picture_or_why(name: str, data: bytes, *, label: str | None, limits: ImageLimits) -> Picture | Skipped:
    """Decode one image. Returns a Skipped with the reason if the image cannot be decoded."""
    if (why := sniffed(data[:512])) is not None:
        return Skipped(visible(name), why)
    try:
        image = decode_image(data, limits=limits)
        return Picture(visible(name), as_rgb(image), label, grey=len(image) == 1)
    except InputError as error:
        return Skipped(visible(name), str(error))


def tar_pictures(members: Iterable[TarMember], limits: ImageLimits) -> Iterator[Picture | Skipped]:
    """The images of a tar.

    Consecutive entries whose names are the same up to the first dot form one sample, as in a WebDataset.

    A sample's class is the text of its ".cls" entry, else the name of its folder. If a sample has an image, its other
    entries (text, numbers, pickles) are skipped without reading them. The entries of a sample without an image are
    listed with the reasons why they are skipped. If the archive ends too early, the complete entries before its end are
    returned before the error is raised.
    """
    sample, key, stream = _Sample(limits), None, iter(members)
    while True:
        try:
            member = next(stream, None)
        except Exception:
            yield from sample.finish()
            raise
        if member is None:
            break
        name = member.name.decode("utf-8", "surrogateescape")
        if (new := _sample_key(name)) != key:
            yield from sample.finish()
            sample, key = _Sample(limits), new
        yield from sample.add(name, member)
    yield from sample.finish()


class _Sample:
    """The entries of a tar that form one sample."""

    def __init__(self, limits: ImageLimits) -> None:
        self._limits = limits
        self._images: list[tuple[str, bytes]] = []
        self._others: list[Skipped] = []
        self._label: str | None = None
        self._bytes = 0
        self._found = False

    def add(self, name: str, member: TarMember) -> Iterator[Picture | Skipped]:
        """Add an entry to the sample. If the sample becomes too large for memory, the pictures so far are returned."""
        why = _why_not(member, self._limits)
        data = member.data
        if data is not None and name.endswith(".cls") and len(data) <= _CLASS_BYTES:
            self._label = visible(data.decode("utf-8", "backslashreplace").strip())
        elif data is None or why is not None:
            self._others.append(
                Skipped(visible(name), why or "expected a file, got something else; leave out this file")
            )
        else:
            self._found = True
            self._bytes += len(data)
            self._images.append((name, data))
        if self._bytes > self._limits.member_bytes or len(self._others) > _OTHERS:
            yield from self.finish()

    def finish(self) -> Iterator[Picture | Skipped]:
        """The sample's decoded images.

        If the sample has no images, each of its entries becomes a Skipped with the reason.
        """
        images, others = self._images, self._others
        self._images, self._others, self._bytes = [], [], 0
        for name, data in images:
            label = folder_label(name) if self._label is None else self._label
            yield picture_or_why(name, data, label=label, limits=self._limits)
        if not self._found:
            yield from others


def _why_not(member: TarMember, limits: ImageLimits) -> str | None:
    if member.other is not None:
        return f"expected a file, got {member.other}, which is not followed; leave out this file"
    if member.data is None:
        return f"expected at most {limits.member_bytes} bytes, got {member.size}; make the file smaller"
    return sniffed(member.data[:512])


def _sample_key(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.partition(".")[0]
