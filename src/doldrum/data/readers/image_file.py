"""Read one of the user's image files, with the same decoder that reads untrusted files."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.intake import ImageLimits, decode_image, fit_image, visible

__all__ = ["MOST_PIXELS", "read_image"]

MOST_PIXELS = 64 << 20  # a larger image is a mistake or a decompression bomb
_LIMITS = ImageLimits(pixels=MOST_PIXELS)
_MOST_BYTES = 1 << 30


def read_image(
    path: str | os.PathLike[str] | IO[bytes], *, channels: int | None = None, size: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Read one image, from a path or an open file, as uint8 (C, H, W).

    The image is rotated as EXIF says, and transparent parts become white.

    Formats and conversions are those of :func:`doldrum.intake.decode_image`. Raises InputError.
    """
    if isinstance(path, (str, os.PathLike)):
        name = visible(path)
        try:
            data = _read(Path(path))
        except FileNotFoundError as error:
            raise InputError(f"expected an image at {name}, got no file; check the path") from error
        except (OSError, ValueError) as error:
            raise InputError(f"expected a readable file at {name}, got {error}; check the path") from error
    else:
        data = path.read()
    return fit_image(decode_image(data, limits=_LIMITS), channels=channels, size=size)


def _read(path: Path) -> bytes:
    if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for without an end
        raise InputError(f"expected a file at {visible(path)}, got a folder, a pipe or a device; leave out this path")
    with path.open("rb") as file:
        if (found := os.fstat(file.fileno()).st_size) > _MOST_BYTES:
            raise InputError(f"expected an image of at most {_MOST_BYTES} bytes, got {found}; make the image smaller")
        return file.read(_MOST_BYTES)
