"""Folders of image files, with class subfolders or without."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doldrum.data.imageset import ImageSet
from doldrum.errors import InputError

__all__ = ["FORMATS", "ImageRead", "read_folder", "read_image"]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Formats that are opened; no vector formats, whose decoders start other programs."""
_MOST_PIXELS = 64 << 20  # a larger image is a mistake or a decompression bomb


@dataclass(frozen=True)
class ImageRead:
    """Images, and what could not be read: (path, reason) each."""

    images: ImageSet
    skipped: tuple[tuple[str, str], ...] = ()


def read_folder(path: str | Path, *, channels: int | None = None, size: tuple[int, int] | None = None) -> ImageRead:
    """Every image below a folder, in order of path; what can't be read is listed, not fatal.

    Subfolders, where all images lie in one each, are classes (named and numbered in order); otherwise there are no labels.
    `channels` of 1 or 3 is what the model takes (default: 1 when all are grey, else 3): grey images are repeated for a
    colour model, while a colour image for a grey model is skipped, since turning it grey would change the evidence.
    `size` (height, width) resizes (bilinear) those of another size; without it all must have one size.

    Raises InputError for an absent or empty folder, one without a readable image, and mixed sizes without `size`.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"expected a folder of images, got {root}, which is none; check the path")
    arrays: list[NDArray[np.uint8]] = []
    names: list[str] = []
    skipped: list[tuple[str, str]] = []
    for file in _files(root):
        name = file.relative_to(root).as_posix()
        try:
            arrays.append(read_image(file, channels=channels, size=size))
            names.append(name)
        except InputError as error:
            skipped.append((name, str(error)))
    if not arrays:
        why = (
            f"{len(skipped)} files, none readable; the first: {skipped[0][0]}: {skipped[0][1]}"
            if skipped
            else "no files"
        )
        raise InputError(f"expected images in {root}, got {why}")
    if channels is None and len({a.shape[0] for a in arrays}) > 1:
        arrays = [np.repeat(a, 3, axis=0) if a.shape[0] == 1 else a for a in arrays]
    sizes = sorted({a.shape[1:] for a in arrays})
    if len(sizes) > 1:
        listed = ", ".join(f"{h} x {w}" for h, w in sizes[:5])
        raise InputError(
            f"expected images of one size in {root}, got {len(sizes)} ({listed}); pass size=(height, width)"
        )
    labels, classes = _classes(names)
    return ImageRead(ImageSet(np.stack(arrays), labels, names, classes, root.name), tuple(skipped))


def read_image(
    path: str | Path, *, channels: int | None = None, size: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """One image file as uint8 (C, H, W): turned as EXIF says, palettes resolved, transparency laid on black.

    16-bit grey is scaled to 8 bits, CMYK becomes RGB, of an animation the first frame counts. Raises InputError.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's notices on odd metadata; broken pixels raise
            with Image.open(path, formats=FORMATS) as opened:
                if opened.width * opened.height > _MOST_PIXELS:
                    raise InputError(f"expected at most {_MOST_PIXELS} pixels, got {opened.width} x {opened.height}")
                turned = ImageOps.exif_transpose(opened)
                array = _pixels(turned)
    except InputError:
        raise
    except Image.UnidentifiedImageError as error:
        kinds = ", ".join(FORMATS)
        raise InputError(f"expected an image ({kinds}), got another kind of file or a broken one") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"expected an image of a sane size, got {error}") from error
    except Exception as error:  # decoders of broken files raise what they like
        raise InputError(f"expected a whole image, got one that can't be decoded ({error})") from error
    if channels == 1 and len(array) == 3:
        if not (array[0] == array[1]).all() or not (array[0] == array[2]).all():
            raise InputError("expected a grey image for a grey model, got a colour image; convert it to grey first")
        array = array[:1]
    elif channels == 3 and len(array) == 1:
        array = np.repeat(array, 3, axis=0)
    elif channels is not None and channels != len(array):
        raise InputError(f"expected a model of 1 or 3 channels, got {channels}; use .npy arrays for others")
    if size is not None and array.shape[1:] != tuple(size):
        image = Image.fromarray(np.squeeze(array.transpose(1, 2, 0)))
        resized = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
        array = resized[None] if resized.ndim == 2 else resized.transpose(2, 0, 1)
    return np.ascontiguousarray(array)


def _pixels(image) -> NDArray[np.uint8]:
    """Pixels of an open Pillow image as (1 or 3, H, W)."""
    from PIL import Image

    if image.mode in ("I;16", "I;16L", "I;16B", "I", "F"):
        values = np.asarray(image).astype(np.float64)
        top = 255 if image.mode == "F" and values.max(initial=0) <= 255 else 65535
        return np.rint(np.clip(values, 0, top) * (255 / top)).astype(np.uint8)[None]
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("RGB")
        array = np.asarray(image)
        grey = (array[..., 0] == array[..., 1]).all() and (array[..., 0] == array[..., 2]).all()
        return array.transpose(2, 0, 1)[:1] if grey else array.transpose(2, 0, 1)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[None]
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


def _files(root: Path) -> Iterator[Path]:
    """Regular files below `root` in order of path; hidden ones and links that leave it are passed over."""
    for folder, folders, files in os.walk(root, followlinks=False):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(files):
            file = Path(folder) / name
            if (
                not name.startswith(".")
                and file.is_file()
                and (not file.is_symlink() or file.resolve().is_relative_to(root.resolve()))
            ):
                yield file


def _classes(names: list[str]) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    parents = [name.split("/")[:-1] for name in names]
    if not all(len(p) == 1 for p in parents):
        return None, ()
    classes = tuple(sorted({p[0] for p in parents}))
    number = {name: k for k, name in enumerate(classes)}
    return np.array([number[p[0]] for p in parents], dtype=np.int64), classes
