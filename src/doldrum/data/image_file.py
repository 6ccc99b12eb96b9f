"""One image file: opened, turned, and made grey or colour as a classifier takes it."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError

__all__ = ["FORMATS", "fit_image", "image_pixels", "printable", "read_image"]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Formats that are opened; no vector formats, whose decoders start other programs."""
_MOST_PIXELS = 64 << 20  # a larger image is a mistake or a decompression bomb


def read_image(
    path: str | Path | IO[bytes], *, channels: int | None = None, size: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """One image file (or an open one) as uint8 (C, H, W): turned as EXIF says, palettes resolved, transparency laid on black.

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
                array = image_pixels(turned)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"expected an image at {printable(str(path))}, got no file; check the path") from error
    except Image.UnidentifiedImageError as error:
        kinds = ", ".join(FORMATS)
        raise InputError(f"expected an image ({kinds}), got another kind of file or a broken one") from error
    except Image.DecompressionBombError as error:
        raise InputError(f"expected an image of a sane size, got {error}") from error
    except Exception as error:  # decoders of broken files raise what they like
        raise InputError(f"expected a whole image, got one that can't be decoded ({error})") from error
    return fit_image(array, channels=channels, size=size)


def fit_image(
    array: NDArray[np.uint8], *, channels: int | None = None, size: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """uint8 (1 or 3, H, W) with the channels and size a classifier takes; bilinear.

    Raises InputError for colour where grey is wanted: turning it grey would change the evidence.

    >>> fit_image(np.zeros((1, 4, 4), np.uint8), channels=3, size=(2, 2)).shape
    (3, 2, 2)
    """
    from PIL import Image

    if channels not in (None, 1, 3):
        raise InputError(f"expected a model of 1 or 3 channels, got {channels}; use .npy arrays for others")
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise InputError(f"expected a size (height, width) of at least 1 x 1, got {tuple(size)}")
    if channels == 1 and len(array) == 3:
        if not (array[0] == array[1]).all() or not (array[0] == array[2]).all():
            raise InputError("expected a grey image for a grey model, got a colour image; convert it to grey first")
        array = array[:1]
    elif channels == 3 and len(array) == 1:
        array = np.repeat(array, 3, axis=0)
    if size is not None and array.shape[1:] != tuple(size):
        image = Image.fromarray(np.ascontiguousarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0)))
        resized = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
        array = resized[None] if resized.ndim == 2 else resized.transpose(2, 0, 1)
    return np.ascontiguousarray(array)


def image_pixels(image) -> NDArray[np.uint8]:
    """Pixels of an open Pillow image as (1 or 3, H, W).

    Float images (TIFF) are read as 0 to 1, 0 to 255 or 0 to 65535, the first that holds their highest value.
    """
    from PIL import Image

    if 0 in image.size:
        raise InputError(f"expected an image with pixels, got {image.size[0]} x {image.size[1]}; leave it out")
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image).astype(np.float64)
        if not np.isfinite(values).all():
            raise InputError("expected finite pixels, got NaN or infinities; mend the image")
        tops = (1, 255, 65535) if image.mode == "F" else (65535,)
        top = next((t for t in tops if values.max(initial=0) <= t), 65535)
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


def printable(path: str | Path) -> str:
    """A path as text that can be stored and shown: undecodable bytes and control characters are escaped.

    >>> printable("two\\nlines")
    'two\\\\nlines'
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
