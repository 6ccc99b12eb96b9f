"""Many images into one array: in memory while few, in an unnamed memory-mapped file when they grow large."""

from __future__ import annotations

import tempfile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from doldrum.data.places import cache_folder
from doldrum.errors import InputError

__all__ = ["PixelStore"]

_IN_MEMORY = 1 << 30


class PixelStore:
    """Takes uint8 images (C, H, W) of one shape, one by one; gives them back as (N, C, H, W).

    Beyond `in_memory` bytes they go to a file in the cache folder that has no name there (where the system allows it), so
    nothing stays behind however the process ends.

    >>> store = PixelStore()
    >>> store.add(np.zeros((1, 2, 2), np.uint8))
    >>> store.finish().shape
    (1, 1, 2, 2)
    """

    def __init__(self, *, in_memory: int = _IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._shape: tuple[int, ...] | None = None
        self._held: list[NDArray[np.uint8]] = []
        self._file: IO[bytes] | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def channels(self) -> int | None:
        """Of the images so far; None before the first."""
        return None if self._shape is None else self._shape[0]

    def add(self, image: NDArray[Any]) -> None:
        """Append one image. Raises InputError when its shape is not the first one's."""
        if self._shape is None:
            self._shape = image.shape
        if image.shape != self._shape:
            raise InputError(
                f"expected images of one shape {self._shape}, got {image.shape}; pass size=(height, width)"
            )
        self._count += 1
        if self._file is not None:
            self._file.write(image.tobytes())
            return
        self._held.append(np.ascontiguousarray(image))
        if self._count * image.nbytes > self._in_memory:
            folder = cache_folder()
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (open as long as the array is)
            except OSError as error:
                raise InputError(
                    f"expected a folder for {self._in_memory >> 20} MiB of pixels and more, got {error}; set XDG_CACHE_HOME to "
                    "one that can be written"
                ) from error
            for one in self._held:
                self._file.write(one.tobytes())
            self._held.clear()

    def finish(self) -> NDArray[np.uint8]:
        """All images in the order added; nothing can be added afterwards. Raises InputError when there are none."""
        if self._shape is None:
            raise InputError("expected at least one image, got none; check where they are from")
        if self._file is None:
            return np.stack(self._held)
        self._file.flush()
        mapped = np.memmap(self._file, dtype=np.uint8, mode="r", shape=(self._count, *self._shape))
        self._file.close()  # the mapping holds on to it
        return mapped

    def __del__(self) -> None:
        if self._file is not None:  # given up before `finish`
            self._file.close()
