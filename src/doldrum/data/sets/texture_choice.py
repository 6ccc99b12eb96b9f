"""Choose the files of Debian's ufoai-textures that become classes of `textures`: opaque colour pictures, no two of which look alike."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.intake import visible
from doldrum.seeds import rng

__all__ = ["SMALLEST", "Texture", "chosen_textures"]

SMALLEST = 256
"""Minimum length of a texture's shorter side, in pixels."""
_LARGE = 512  # those are taken first: a piece of them is worth 77 to 154 pixels
_MOST_PIXELS = 16 << 20
_MOST_BYTES = 64 << 20  # of a file in the archive
_MAPS = ("_nm", "_sm", "_gm", "_pls", "_nomralmap", "_normalmap")  # normals, gloss and glow, which are no pictures
_FLAT = 10.0  # standard deviation of its pixels (0 to 255) within a colour, at least
_ALIKE = 0.5  # correlation of two textures' thumbnails, at most
_THUMB = 32


@dataclass(frozen=True)
class Texture:
    """A class: its name, such as "buildings-wall023", and its picture, a Pillow image in RGB."""

    name: str
    picture: Any


def chosen_textures(archive: zipfile.ZipFile, count: int) -> Iterator[Texture]:
    """The first `count` textures in a fixed random order, in which textures of at least 512 pixels come before smaller ones.

    These pictures are left out: maps for a renderer, pictures with a side below 256 pixels, and transparent, grey or
    uniform pictures. A picture is uniform if the standard deviation of its pixels (0 to 255), averaged over the colour
    channels, is below 10. A picture is also left out if it looks like a picture that was chosen before: the correlation
    between the thumbnails of the two pictures (32 x 32, minus the mean) is above .5. One picture is decoded at a time.
    Raises InputError if there are fewer than `count` textures.
    """
    members = sorted(m for m in archive.namelist() if _is_picture(m))
    members = [members[i] for i in rng(0, "textures").permutation(len(members))]
    small: list[str] = []
    taken = np.zeros((0, 3 * _THUMB**2), np.float32)
    found = 0
    for member, is_large in [(m, True) for m in members] + [(m, False) for m in members]:
        if found == count:
            return
        if not is_large and member not in small:
            continue
        opened = _opened(archive, member)
        if is_large and opened is not None and min(opened.size) < _LARGE:
            small.append(member)
            continue
        picture = None if opened is None else _colour(opened)
        if picture is None:
            continue
        thumb = _thumbnail(picture)
        if len(taken) and float((taken @ thumb).max()) > _ALIKE:
            continue
        taken = np.concatenate([taken, thumb[None]])
        found += 1
        yield Texture(_name(member), picture)
    if found < count:
        raise InputError(f"expected {count} textures, got {found} in {archive.filename}; ask for fewer classes")


def _is_picture(member: str) -> bool:
    path = PurePosixPath(member)
    return path.suffix in (".jpg", ".png") and not path.stem.endswith(_MAPS)


def _name(member: str) -> str:
    """A short, unique name for a file in the archive: "buildings-wall023.png" for "textures/tex_buildings/wall023.png"."""
    path = PurePosixPath(member)
    return visible(f"{path.parent.name.removeprefix('tex_')}-{path.name}")


def _opened(archive: zipfile.ZipFile, member: str) -> Any:
    """Open a picture with Pillow, without decoding its pixels. Returns None if the picture is too small or too
    large."""
    from PIL import Image

    if archive.getinfo(member).file_size > _MOST_BYTES:
        return None
    try:
        opened = Image.open(io.BytesIO(archive.read(member)), formats=("PNG", "JPEG"))
    except Exception as error:  # decoders of broken files raise what they like
        raise InputError(f"expected a picture in {visible(member)}, got {error}; install the package again") from error
    width, height = opened.size
    return None if min(width, height) < SMALLEST or width * height > _MOST_PIXELS else opened


def _colour(opened: Any) -> Any:
    """Convert an opened picture to RGB.

    Returns None if a pixel is transparent, if the picture is grey, or if all pixels are nearly equal.
    """
    try:
        if opened.mode in ("RGBA", "LA", "PA") or "transparency" in opened.info:
            alpha = opened.convert("RGBA").getchannel("A")
            if alpha.getextrema()[0] < 255:
                return None
        picture = opened.convert("RGB")
    except Exception as error:
        raise InputError(f"expected a picture, got {error}; install the package again") from error
    some = _pixels(picture.reduce(2))
    grey = (some.max(axis=0) - some.min(axis=0)).max() < 8
    return None if grey or some.std(axis=1).mean() < _FLAT else picture


def _thumbnail(picture: Any) -> NDArray[np.float32]:
    """A thumbnail of the picture as a vector of length 1, after the mean of each colour was subtracted."""
    from PIL import Image

    small = _pixels(picture.resize((_THUMB, _THUMB), Image.Resampling.BOX))
    small = (small - small.mean(axis=1, keepdims=True)).ravel()
    return small / max(float(np.linalg.norm(small)), 1e-6)


def _pixels(picture: Any) -> NDArray[np.float32]:
    """The pixels of a picture as floats (3, pixels) from 0 to 255."""
    return np.asarray(picture, np.float32).reshape(-1, 3).T
