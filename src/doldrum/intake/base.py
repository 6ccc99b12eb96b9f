"""The types that `intake` returns, for pictures and for skipped files, and the limits on their sizes."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError

__all__ = ["ImageLimits", "Picture", "Skipped"]


@dataclass(frozen=True, kw_only=True)
class ImageLimits:
    """Size limits. A larger file is treated as a mistake or an attack. Each size is checked before memory is allocated.

    Parameters
    ----------
    pixels : int
        Width x height of one image.
    member_bytes : int
        Size of one encoded image, or of one array that must be in memory as a whole, after unpacking.
    members : int
        Number of entries that are read from one source. If a source has more entries, the remaining ones are left out.
    directory_bytes : int
        Size of a zip's table of contents, which must be in memory as a whole.
    unpacked_ratio, unpacked_free : int
        An archive may unpack to at most `unpacked_ratio` times its own size, or to `unpacked_free` bytes if this is
        more.

    Raises InputError for a limit below 1.

    >>> ImageLimits(pixels=1 << 20).member_bytes
    67108864
    """

    pixels: int = 1 << 25
    member_bytes: int = 64 << 20
    members: int = 1_000_000
    directory_bytes: int = 32 << 20
    unpacked_ratio: int = 200
    unpacked_free: int = 1 << 30

    def __post_init__(self) -> None:
        for field in fields(self):
            if (value := getattr(self, field.name)) < 1:
                raise InputError(f"expected a limit {field.name} of at least 1, got {value}")


@dataclass(frozen=True, eq=False)
class Picture:
    """One image: an id that is unique in its source and safe to print, uint8 pixels (H, W, 3), and a class name or
    None.

    If `grey` is true, the image had one channel, which is repeated in `pixels`.
    """

    id: str
    pixels: NDArray[np.uint8]
    label: str | None = None
    grey: bool = False

    @property
    def planes(self) -> NDArray[np.uint8]:
        """The pixels as (1 or 3, H, W), with as many channels as the image had."""
        planes = self.pixels.transpose(2, 0, 1)
        return planes[:1] if self.grey else planes


@dataclass(frozen=True)
class Skipped:
    """A file or entry that could not or must not be read: its id, which is safe to print, and the reason."""

    id: str
    why: str
