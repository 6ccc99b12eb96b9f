"""Decode encoded images.

This module is the only decoder of images in doldrum: it checks the format, rotates the image as EXIF says, and makes it
grey or colour.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.intake.base import ImageLimits
from doldrum.intake.kinds import declared_size, kind_of
from doldrum.intake.text import visible

__all__ = ["FORMATS", "decode_image", "fit_image", "fitting_note", "image_pixels"]

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
"""Image formats that are opened. Vector formats are not opened, since their decoders start other programs."""
_JPEG_WORK = 1 << 29  # pixels x scans: a progressive JPEG can name thousands of scans in a few kilobytes
_SHAPES = 3  # that a note lists
_PLAIN_PPM = 1 << 22  # pixels of a PPM in decimal digits, which is decoded slowly


def decode_image(data: bytes, *, limits: ImageLimits | None = None) -> NDArray[np.uint8]:
    """An encoded image as uint8 (1 or 3, H, W), as a viewer shows it.

    The image is rotated as EXIF says, palettes are resolved, and transparent parts become white (some viewers show them
    in another colour). Pixels of 16 bits are scaled to 8 bits, and CMYK becomes RGB without its colour profile. Only
    the first frame of an animation, or the first page of a file, is decoded. A grey image keeps its single channel.

    Raises InputError, with the reason, for other formats, broken files and images beyond `limits`.
    """
    from PIL import Image, ImageOps

    limits = limits or ImageLimits()
    _check_size(declared_size(data), limits)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's notices on odd metadata; broken pixels raise
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                _check_size(opened.size, limits)
                _check_work(opened, data)
                return image_pixels(ImageOps.exif_transpose(opened))
    except InputError:
        raise
    except Image.UnidentifiedImageError as error:
        what = kind_of(data[:512])
        got = f"a broken {what}" if what in FORMATS else what or "another kind of file"
        raise InputError(f"expected an image ({', '.join(FORMATS)}), got {got}; leave out this file") from error
    except Image.DecompressionBombError as error:
        most = min(
            limits.pixels, 2 * (Image.MAX_IMAGE_PIXELS or limits.pixels)
        )  # Pillow's own bound, where it is lower
        claimed = re.search(r"\d+", str(error))
        got = claimed[0] if claimed else "more"
        raise InputError(f"expected at most {most} pixels, got {got}; make the image smaller") from error
    except MemoryError as error:
        raise InputError("expected an image that fits in memory, got one that doesn't; leave out this image") from error
    except Exception as error:  # decoders of broken files raise what they like
        why = visible(str(error)) or type(error).__name__
        if "MAX_TEXT" in why:
            raise InputError(
                "expected an image with at most 1 MiB of metadata (texts, a colour profile), got more; save the image without metadata"
            ) from error
        raise InputError(
            f"expected a whole image, got one that cannot be decoded ({why}); leave out this image"
        ) from error


def _check_size(size: tuple[int, int] | None, limits: ImageLimits) -> None:
    if size is not None and size[0] * size[1] > limits.pixels:
        raise InputError(f"expected at most {limits.pixels} pixels, got {size[0]} x {size[1]}; make the image smaller")


def _check_work(opened: Any, data: bytes) -> None:
    """Refuse small files that take minutes to decode, and TIFF files whose tiles are far larger than the image."""
    pixels = opened.width * opened.height
    scans = data.count(b"\xff\xda") if opened.format in ("JPEG", "MPO", "TIFF") else 0
    if scans > 1 and scans * pixels > _JPEG_WORK:
        raise InputError(
            f"expected a JPEG with few scans, got {scans} scans over {pixels} pixels; save the image again"
        )
    if opened.format == "PPM" and data[:2] in (b"P1", b"P2", b"P3") and pixels > _PLAIN_PPM:
        raise InputError(f"expected a binary PPM, got {pixels} pixels in decimal digits; save the image again")
    if opened.format == "TIFF":
        wide, tall = (opened.tag_v2.get(tag) or 0 for tag in (322, 323))
        if wide * tall > max(4 * pixels, 1 << 20):
            raise InputError(f"expected tiles no larger than the image, got {wide} x {tall}; save the image again")


def image_pixels(image: Any) -> NDArray[np.uint8]:
    """Pixels of an open Pillow image as (1 or 3, H, W); transparent parts become white.

    The range of a float image (TIFF) is taken as 0 to 1, 0 to 255 or 0 to 65535: the smallest of these ranges that
    contains the highest pixel value. The pixels of a float image are then scaled, so that the highest value of the
    range becomes 255.
    """
    from PIL import Image

    if 0 in image.size:
        raise InputError(f"expected an image with pixels, got {image.size[0]} x {image.size[1]}; leave out this image")
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image).astype(np.float32)
        if not np.isfinite(values).all():
            raise InputError("expected finite pixels, got NaN or infinities; fix the image")
        tops = (1, 255, 65535) if image.mode == "F" else (65535,)
        top = next((t for t in tops if values.max(initial=0) <= t), 65535)
        return np.rint(np.clip(values, 0, top) * np.float32(255 / top)).astype(np.uint8)[None]
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (255, 255, 255, 255)), rgba).convert("RGB")
        array = np.asarray(image)
        grey = (array[..., 0] == array[..., 1]).all() and (array[..., 0] == array[..., 2]).all()
        return array.transpose(2, 0, 1)[:1] if grey else array.transpose(2, 0, 1)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[None]
    return np.asarray(image.convert("RGB")).transpose(2, 0, 1)


def fit_image(
    array: NDArray[np.uint8],
    *,
    channels: int | None = None,
    size: tuple[int, int] | None = None,
    resize: Literal["stretch", "crop"] | None = "stretch",
) -> NDArray[np.uint8]:
    """Fit an image, uint8 (1 or 3, H, W), to the channels and size of a classifier's input.

    Resizing is bilinear, with antialiasing.

    If an image has another size, `resize` says what to do: "stretch" stretches it to `size`, "crop" scales it until it
    covers `size` and crops it to its middle, and None refuses it.

    Raises InputError for a colour image if `channels` is 1, since turning it grey would change the evidence.

    >>> fit_image(np.zeros((1, 4, 4), np.uint8), channels=3, size=(2, 2)).shape
    (3, 2, 2)
    """
    from PIL import Image

    if channels not in (None, 1, 3):
        raise InputError(f"expected a model of 1 or 3 channels, got {channels}; use .npy arrays for other models")
    if size is not None and (len(size) != 2 or min(size) < 1):
        raise InputError(f"expected a size (height, width) of at least 1 x 1, got {tuple(size)}")
    if channels == 1 and len(array) == 3:
        if not (array[0] == array[1]).all() or not (array[0] == array[2]).all():
            raise InputError("expected a grey image for a grey model, got a colour image; convert it to grey first")
        array = array[:1]
    elif channels == 3 and len(array) == 1:
        array = np.repeat(array, 3, axis=0)
    if size is not None and array.shape[1:] != tuple(size):
        if resize is None:
            got = " x ".join(map(str, array.shape[1:]))
            raise InputError(f"expected an image of {size[0]} x {size[1]}, got {got}; resize it")
        if resize == "crop":
            array = _middle(array, size)
        image = Image.fromarray(np.ascontiguousarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0)))
        resized = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
        array = resized[None] if resized.ndim == 2 else resized.transpose(2, 0, 1)
    return np.ascontiguousarray(array)


def _middle(array: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Crop an image to its largest centred part with the proportions of `size`, without scaling it."""
    (tall, wide), (height, width) = array.shape[1:], size
    scale = max(height / tall, width / wide)
    y, x = round((tall - height / scale) / 2), round((wide - width / scale) / 2)
    return array[:, y : y + max(1, round(height / scale)), x : x + max(1, round(width / scale))]


def fitting_note(
    before: Mapping[tuple[int, ...], int], to: tuple[int, ...], *, resize: Literal["stretch", "crop"] | None = "stretch"
) -> str | None:
    """A note on how many images were fitted to the shape `to`, or None if no image was.

    `before` counts the images of each shape.

    >>> fitting_note({(1, 8, 8): 2, (3, 4, 4): 5}, (3, 4, 4))
    '2 of 7 images were fitted to 3 x 4 x 4 (channels x height x width; other sizes are stretched): they were 1 x 8 x 8'
    """
    others = sorted(((shape, n) for shape, n in before.items() if shape != to), key=lambda one: (-one[1], one[0]))
    if not others:
        return None
    names = [" x ".join(map(str, shape)) for shape, _ in others[:_SHAPES]]
    more = len(others) - len(names)
    listed = ", ".join(names) + (f" and {more} other shape{'s' if more > 1 else ''}" if more else "")
    changed, how = sum(n for _, n in others), "cut to their middle" if resize == "crop" else "stretched"
    return (
        f"{changed:,} of {sum(before.values()):,} images were fitted to {' x '.join(map(str, to))} (channels x height x width; other sizes are "
        f"{how}): they were {listed}"
    )
