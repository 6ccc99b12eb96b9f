"""What intake gives: pictures and what was skipped, and the limits that it keeps."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError

__all__ = ["ImageLimits", "Picture", "Skipped"]


@dataclass(frozen=True, kw_only=True)
class ImageLimits:
    """Sizes beyond which a file is a mistake or an attack; each is checked before memory is taken for it.

    Parameters
    ----------
    pixels : int
        Width x height of one image.
    member_bytes : int
        One encoded image, or one array that has to be held whole, after its archive unpacked it.
    members : int
        Entries of one source that are looked at; what follows is not read.
    directory_bytes : int
        A zip's table of contents, which has to be held whole.
    unpacked_ratio, unpacked_free : int
        An archive may unpack to this many times its own size, and to `unpacked_free` bytes in any case.

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
    """One image: a visible id that no other item of its source has, uint8 pixels (H, W, 3), its class's name or None.

    `grey` says that it had one channel, which is repeated in its pixels.
    """

    id: str
    pixels: NDArray[np.uint8]
    label: str | None = None
    grey: bool = False

    @property
    def planes(self) -> NDArray[np.uint8]:
        """Its pixels with the channels that it had: (1 or 3, H, W)."""
        planes = self.pixels.transpose(2, 0, 1)
        return planes[:1] if self.grey else planes


@dataclass(frozen=True)
class Skipped:
    """Something that could not be read, or must not be: its visible id, and why."""

    id: str
    why: str
