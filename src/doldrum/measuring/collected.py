"""Read images from folders, archives and tables.

The images are decoded once into an array on disk, and then read from this array in slices.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.files import write_text_whole
from doldrum.intake import ImageLimits, Picture, Skipped, as_array, open_images, visible
from doldrum.intake.folder import walk
from doldrum.progress import progress_bar
from doldrum.provenance import versions_and_machine
from doldrum.remote import Shards, find_shards, is_address, is_pattern, redacted

__all__ = ["StoredImages", "called", "collect_images"]

Resize = Literal["stretch", "crop"]
_LIMITS = ImageLimits(pixels=64 << 20, members=1 << 40)  # the caller's own images: only a bomb is that large


class StoredImages:
    """uint8 images (N, C, H, W) in an .npy file, with their `ids`.

    `skipped` lists the items that could not be read as (id, reason), and `note` tells how many images were fitted.
    `measure` and `Measurement` accept this class. Slices are read from the file without a memory map, since the pages
    of a memory map would count as memory of this process.
    """

    def __init__(
        self, path: str | Path, ids: list[str], skipped: list[tuple[str, str]], note: str | None = None
    ) -> None:
        self.path, self.ids, self.skipped, self.note = Path(path), ids, skipped, note
        mapped = np.lib.format.open_memmap(self.path, mode="r")
        self.shape: tuple[int, ...] = mapped.shape
        self._start = self.path.stat().st_size - mapped.nbytes
        if mapped.dtype != np.uint8 or len(self.shape) != 4 or len(ids) != len(mapped):
            raise InputError(
                f"expected uint8 images (N, C, H, W) and one id per image in {self.path}, got a {mapped.dtype} array of shape {self.shape} and {len(ids)} ids"
            )

    def __getitem__(self, rows: slice) -> NDArray[np.uint8]:
        start, stop, step = rows.indices(self.shape[0])
        if step != 1:
            raise InputError(f"expected a slice in steps of 1, got steps of {step}")
        each = int(np.prod(self.shape[1:]))
        count = max(0, stop - start)
        values = np.fromfile(self.path, np.uint8, count * each, offset=self._start + start * each)
        return values.reshape(count, *self.shape[1:])

    def content_hash(self) -> str:
        """SHA-256 of the file, which contains the shape and the pixels."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def collect_images(
    path: str | os.PathLike[str],
    folder: str | Path,
    *,
    shape: tuple[int, int, int],
    resize: Resize = "stretch",
    limit: int | None = None,
    progress: bool = True,
) -> StoredImages:
    """Decode the images at `path` into `folder`, or use the images that an earlier call saved there.

    Parameters
    ----------
    path : str or path
        Any source that :func:`doldrum.intake.open_images` takes: a folder, an image, a zip, a tar (also WebDataset),
        Parquet, IDX. `path` can also be the address of such a file or folder (s3://, gs://, https://), or a pattern of
        several (`s3://bucket/shard-{000..099}.tar`). Remote files are copied to this machine and read one after
        another.
    folder : str or path
        The folder in which images.npy (uint8, N x C x H x W bytes) and images.json are saved. A later call uses the
        saved files and decodes nothing, unless something has changed: the names, sizes or times of the files at `path`,
        the library versions, or the arguments.
    shape : (C, H, W)
        The classifier's input shape. If C = 1 (grey images), colour images are skipped.
    resize : "stretch" or "crop"
        Images of another size are stretched to H x W, or scaled until they cover H x W and cropped to their middle.
    limit : int, optional
        Read only the first `limit` readable images.

    Images that cannot be read, or cannot be fitted to `shape`, are in `StoredImages.skipped`. Only one image and the
    ids are in memory. Raises InputError if no image is left, and OSError, which says what to do, if the disk is full.

    >>> import tempfile; from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (4, 4), 7).save(f"{folder}/a.png")
    ...     found = collect_images(f"{folder}/a.png", f"{folder}/work", shape=(1, 2, 2))
    ...     found.ids, found.shape, found[0:1].max()
    (['a.png'], (1, 1, 2, 2), np.uint8(7))
    """
    target, notes = Path(folder) / "images.npy", Path(folder) / "images.json"
    settings = [*shape, resize, limit]
    if is_address(path) or is_pattern(path):
        shards = find_shards(path)
        source: Iterable[Picture | Skipped] = _pictures(shards)
        made_of = _made_of_shards(shards, settings)
    else:
        source = open_images(path, limits=_LIMITS)
        made_of = _made_of(source.path, source.kind, settings)
    earlier = _earlier(target, notes, made_of)
    if earlier is not None:
        return earlier
    with progress_bar("reading images", None, show=progress) as advance:

        def items() -> Iterator[Picture | Skipped]:
            left = limit
            for item in source:
                advance(1)
                yield item
                if left is not None and isinstance(item, Picture):
                    left -= 1
                    if not left:
                        return

        try:
            found = as_array(items(), target, shape=shape, resize=resize)
        except InputError as error:
            raise InputError(f"{visible(redacted(path))}: {error}") from error
    ids, skipped, note = list(found.ids), [(item.id, item.why) for item in found.skipped], found.note
    del found  # and its memory map
    write_text_whole(notes, json.dumps({"made_of": made_of, "ids": ids, "skipped": skipped, "note": note}))
    return StoredImages(target, ids, skipped, note)


def _pictures(shards: Shards) -> Iterator[Picture | Skipped]:
    """Yield the images of all shards, with the shard's name as the beginning of each id. Images that cannot be read are
    yielded as `Skipped`.

    If a shard is damaged, its remaining images are skipped. If a shard does not exist, an error is raised.
    """
    for shard in shards.shards:
        name = visible(shard.name)
        with shards.here(shard) as (file, _):
            begun = False
            try:
                for item in open_images(file, limits=_LIMITS):
                    begun = True
                    yield replace(item, id=called(name, file, item.id))
            except InputError as error:
                why = str(error).replace(f"{visible(str(file))}: ", "", 1)
                yield Skipped(f"{name}: the rest" if begun else name, why)


def called(shard: str, file: Path, item: str) -> str:
    """The id of a shard's item, with the name of the shard in front.

    `file` is the local copy of the shard. If the item's id begins with the name of this local file, the shard's name
    replaces the name of the local file.

    >>> called("x/a.tar", Path("/tmp/a.tar"), "1.png"), called("x/a.tar", Path("/tmp/a.tar"), "a.tar: the rest")
    ('x/a.tar/1.png', 'x/a.tar: the rest')
    """
    name = visible(file.name)
    return shard + item[len(name) :] if item == name or item.startswith(f"{name}: ") else f"{shard}/{item}"


def _made_of_shards(shards: Shards, settings: list[Any]) -> str:
    """A hash of everything that determines the array: the names and tags (content versions) of the shards, the settings and the library versions."""
    tags = [[s.name, (s.listed or shards.store.held(s.name)).tag] for s in shards.shards]
    told = [shards.store.shown(), tags, settings, versions_and_machine()["versions"]]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _earlier(target: Path, notes: Path, made_of: str) -> StoredImages | None:
    """The images that an earlier call saved. The result is None if no images were saved, or if the files or settings
    have changed since the earlier call."""
    try:
        kept: dict[str, Any] = json.loads(notes.read_text(encoding="utf-8"))
        if kept["made_of"] == made_of:
            return StoredImages(target, kept["ids"], [(name, why) for name, why in kept["skipped"]], kept["note"])
    except (OSError, ValueError, KeyError, TypeError):  # gone, cut short or damaged: made again
        pass
    return None


def _made_of(path: str, kind: str, settings: list[Any]) -> str:
    """A hash of everything that determines the array: the names, sizes and times of the files at `path`, the settings and the library versions."""
    digest = hashlib.sha256(json.dumps([kind, settings, versions_and_machine()["versions"]]).encode())
    files = ((e.name, e.path) for e in walk(path) if e.why is None) if kind == "folder" else [("", path)]
    for name, file in files:
        try:
            stat = os.stat(file)
            line = f"{name}\0{stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}\n"
        except OSError as error:  # gone since it was listed
            line = f"{name}\0{error.errno}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
