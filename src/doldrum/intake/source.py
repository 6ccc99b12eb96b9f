"""open_images: read pictures from files of other people."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import IO

from doldrum.errors import InputError
from doldrum.intake.arrays import idx_pictures, npy_pictures, npz_pictures
from doldrum.intake.base import ImageLimits, Picture, Skipped
from doldrum.intake.decode import FORMATS
from doldrum.intake.folder import walk
from doldrum.intake.kinds import CONTAINERS, kind_of
from doldrum.intake.members import folder_label, picture_or_why, sniffed, tar_pictures
from doldrum.intake.streams import Budget, Reader, open_regular, unpacked
from doldrum.intake.tables import parquet_class_names, parquet_pictures
from doldrum.intake.tar import is_tar_header, tar_members
from doldrum.intake.text import visible
from doldrum.intake.zipped import zip_pictures

__all__ = ["ImageSource", "open_images", "read_items"]

_PACKED = ("gzip", "bzip2", "xz", "zstd")


@dataclass(frozen=True)
class ImageSource:
    """Images from files of other people.

    Iterating over an ImageSource gives :class:`Picture` and :class:`Skipped` items, and can be repeated.

    `kind` is the format that was recognised. `class_names` are the class names in the order of the class numbers, if a
    table has them, else ().
    """

    path: str
    kind: str
    class_names: tuple[str, ...] = ()
    limits: ImageLimits = field(default_factory=ImageLimits)

    def __iter__(self) -> Iterator[Picture | Skipped]:
        """Yield the items in a fixed order, with one item in memory at a time. Each id is unique.

        Files that macOS adds to folders and archives (`__MACOSX/`, `._name`, `.DS_Store`) are left out, and one Skipped
        at the end counts them. Raises InputError if nothing at all can be read. If a file turns out to be damaged
        later, the last item is a Skipped that says so.
        """
        name = visible(os.path.basename(os.path.abspath(self.path)))
        items = (
            _folder(self.path, self.limits)
            if self.kind == "folder"
            else _file(self.path, name, self.limits, alone=True)
        )
        last: dict[str, int] = {}
        of_macos = 0
        for count, item in enumerate(items):
            if count >= self.limits.members:
                yield Skipped(
                    f"{name}: the rest", f"expected at most {self.limits.members} entries, got more; split the source"
                )
                return
            if _is_of_macos(item.id):
                of_macos += 1
                continue
            yield _renamed(item, last)
        if of_macos:
            yield _renamed(
                Skipped(
                    "__MACOSX",
                    f"expected images, got {of_macos} entries that macOS adds to archives, which are left out",
                ),
                last,
            )


def open_images(path: str | os.PathLike[str], *, limits: ImageLimits | None = None) -> ImageSource:
    """Read images from a folder, a file or an archive from an unknown source, without trusting anything in it.

    Parameters
    ----------
    path : str or path
        A folder (with files and archives at any depth), one image, a zip, a tar (plain or packed with gzip, bzip2, xz
        or zstd; also WebDataset shards), a Parquet table with encoded images, an .npy or .npz of pixels, or an IDX
        file. The format is recognised by the first bytes. The suffix of the file name matters only for .npz.
    limits : ImageLimits, optional
        Sizes beyond which an entry is skipped and a container refused.

    Returns
    -------
    ImageSource
        Iterating over the ImageSource gives Picture(id, pixels uint8 (H, W, 3), label) or Skipped(id, why). Folders and
        their files come in order of their names, entries of archives in the order of the archive. Grey images are
        repeated to three channels. The label is the name of the class: the name of the image's folder, the text of a
        sample's ".cls" entry, or the value in a table's column. The label is None for an image without a folder, a
        ".cls" entry and a class column.

    Nothing is extracted or written, no link is followed, no pickle is read, and no program is started. Archives inside
    archives are not opened. Only the formats in FORMATS are decoded (see :func:`decode_image`). Decoders may still have
    bugs, so call this function in a sandboxed process.

    Raises InputError if `path` does not exist, or has a format that is not listed above.

    >>> import tempfile; from pathlib import Path; from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "cat").mkdir()
    ...     Image.new("L", (4, 3), 7).save(Path(folder) / "cat" / "1.png")
    ...     _ = (Path(folder) / "notes.txt").write_text("hello")
    ...     for item in open_images(folder):
    ...         print(item.id, item.label if isinstance(item, Picture) else item.why)
    notes.txt expected an image (PNG, JPEG, BMP, GIF, WEBP, TIFF, PPM), got another kind of file; leave out this file
    cat/1.png cat
    """
    text, limits = os.fspath(path), limits or ImageLimits()
    if os.path.isdir(text):
        return ImageSource(text, "folder", limits=limits)
    if not os.path.exists(text):
        raise InputError(f"expected images at {visible(text)}, got nothing there; check the path")
    try:
        with open_regular(text, follow=True) as file:
            kind = _kind(file, text, limits)
            names: tuple[str, ...] = ()
            if kind == "Parquet":
                names = parquet_class_names(file, limits)
    except InputError as error:
        raise InputError(f"{visible(text)}: {error}") from error
    return ImageSource(text, kind, names, limits)


def _kind(file: IO[bytes], name: str, limits: ImageLimits) -> str:
    """The format of a file.

    For a compressed file, the result is the format of its content. The file's position changes.
    """
    file.seek(0)
    head = file.read(512)
    kind = kind_of(head)
    if kind == "zip":
        return "npz" if name.lower().endswith(".npz") else "zip"
    if kind in ("Parquet", "npy", *FORMATS):
        return str(kind)
    packed = kind if kind in _PACKED else None
    if packed:
        file.seek(0)
        head = _first(unpacked(file, packed, Budget(0, limits)))
    inner = "tar" if is_tar_header(head) else "IDX" if head[:4] == b"\0\0\x08\x03" else None
    if inner is None:
        got = (
            f"a {packed} file that holds neither a tar nor an IDX file"
            if packed
            else kind or ("an empty file" if not head else "other bytes")
        )
        raise InputError(
            f"expected images (a folder, an image, a zip, tar, Parquet, .npy, .npz or IDX file), got {got}; unpack or convert it"
        )
    return f"{inner} in {packed}" if packed else inner


def _first(stream: Reader) -> bytes:
    head = b""
    while len(head) < 512 and (piece := stream.read(512 - len(head))):
        head += piece
    return head


def _file(path: str, name: str, limits: ImageLimits, *, alone: bool) -> Iterator[Picture | Skipped]:
    """Yield the pictures and the skipped entries of one file.

    If the file is the whole source (`alone`), a file without items is an error. In a folder, a file without items is
    skipped.
    """
    begun = False
    shown = visible(name)
    try:
        with open_regular(path, follow=alone) as file:
            for item in _items(file, path, name, limits, alone=alone):
                begun = True
                yield item
    except Exception as error:  # whatever a damaged container raises, after however many good images
        why = (
            str(error)
            if isinstance(error, InputError)
            else f"expected a whole file, got {_said(error)}; get the file again"
        )
        if alone and not begun:
            raise InputError(f"{visible(path)}: {why}") from error
        yield Skipped(f"{shown}: the rest" if begun else shown, why)


def read_items(file: IO[bytes], name: str, limits: ImageLimits) -> Iterator[Picture | Skipped]:
    """The items of one open file. For a damaged file, the library that reads it may raise any exception."""
    return _items(file, name, name, limits, alone=True)


def _items(file: IO[bytes], path: str, name: str, limits: ImageLimits, *, alone: bool) -> Iterator[Picture | Skipped]:
    if not alone and (why := _not_tried(file)) is not None:
        yield Skipped(visible(name), why)
        return
    kind = _kind(file, path, limits)
    size = file.seek(0, 2)
    file.seek(0)
    if kind in FORMATS:
        yield _image(file, name, None if alone else folder_label(name), limits)
        return
    for item in _contained(file, kind, Budget(size, limits), limits):
        yield item if alone else replace(item, id=f"{visible(name)}/{item.id}")


def _contained(file: IO[bytes], kind: str, budget: Budget, limits: ImageLimits) -> Iterator[Picture | Skipped]:
    if kind == "zip":
        return zip_pictures(file, budget, limits)
    if kind == "npz":
        return npz_pictures(file, budget, limits)
    if kind == "npy":
        return npy_pictures(file, None, limits)
    if kind == "Parquet":
        return parquet_pictures(file, budget, limits)
    inner, _, packed = kind.partition(" in ")
    stream = unpacked(file, packed or None, budget)
    if inner == "IDX":
        return idx_pictures(stream, limits)
    return tar_pictures(tar_members(stream, most=limits.member_bytes), limits)


def _image(file: IO[bytes], name: str, label: str | None, limits: ImageLimits) -> Picture | Skipped:
    data = file.read(limits.member_bytes + 1)
    if len(data) > limits.member_bytes:
        return Skipped(visible(name), f"expected at most {limits.member_bytes} bytes, got more; make the file smaller")
    return picture_or_why(name, data, label=label, limits=limits)


def _not_tried(file: IO[bytes]) -> str | None:
    """The reason why a file in a folder is not read; None if it is an image or a container of images."""
    head = file.read(512)
    if kind_of(head) in CONTAINERS or is_tar_header(head) or head[:4] == b"\0\0\x08\x03":
        return None
    return sniffed(head)


def _folder(root: str, limits: ImageLimits) -> Iterator[Picture | Skipped]:
    for entry in walk(root):
        if entry.why is not None:
            yield Skipped(visible(entry.name), entry.why)
        else:
            yield from _file(entry.path, entry.name, limits, alone=False)


def _is_of_macos(name: str) -> bool:
    """Whether macOS added the entry, for example the settings of a folder, or a file's metadata in an archive.

    >>> [_is_of_macos(n) for n in ("cat/._1.png", "x.zip/__MACOSX/cat/._1.png", ".DS_Store", "cat/1.png")]
    [True, True, True, False]
    """
    *folders, last = name.split("/")
    return "__MACOSX" in folders or last == "__MACOSX" or last == ".DS_Store" or last.startswith("._")


def _renamed(item: Picture | Skipped, last: dict[str, int]) -> Picture | Skipped:
    """Make an item's id unique: the second item with the same id gets " (2)" appended, the third " (3)", and so on."""
    count = last[item.id] = last.get(item.id, 0) + 1
    if count == 1:
        return item
    while (name := f"{item.id} ({count})") in last:
        count += 1
    last[item.id], last[name] = count, 1
    return replace(item, id=name)


def _said(error: Exception) -> str:
    return visible(str(error)) or type(error).__name__
