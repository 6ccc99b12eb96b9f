"""Collect many images into one array: in memory while they are small, else in an unnamed memory-mapped file."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from doldrum.data.places import cache_folder
from doldrum.errors import InputError

__all__ = ["PixelStore"]

_IN_MEMORY = 1 << 30


class PixelStore:
    """Collects images (C, H, W) one by one, and returns them as one array (N, C, H, W).

    All images must have the same shape and type (uint8, uint16 or float32). Images that take more than `in_memory`
    bytes in total are written to a temporary file in the cache folder. If the system allows files without a name, the
    temporary file has no name: then the file disappears even if the process is killed.

    >>> store = PixelStore()
    >>> store.add(np.zeros((1, 2, 2), np.uint8))
    >>> store.finish().shape
    (1, 1, 2, 2)
    """

    def __init__(self, *, in_memory: int = _IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._shape: tuple[int, ...] | None = None
        self._dtype: np.dtype[Any] = np.dtype(np.uint8)
        self._held: list[NDArray[Any]] = []
        self._file: IO[bytes] | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def channels(self) -> int | None:
        """Number of channels of the images added so far; None before the first image."""
        return None if self._shape is None else self._shape[0]

    def add(self, image: NDArray[Any]) -> None:
        """Append one image.

        Raises InputError if the image's shape or type differs from the first image's, and OSError if the disk is full.
        """
        if self._shape is None:
            self._shape, self._dtype = image.shape, image.dtype
        if image.shape != self._shape:
            raise InputError(
                f"expected images of one shape {self._shape}, got {image.shape}; resize them, or pass size=(height, width) if the function takes it"
            )
        if image.dtype != self._dtype:
            raise InputError(
                f"expected all pixels to have the type of the first image, {self._dtype}, got {image.dtype}; convert them"
            )
        self._count += 1
        if self._file is not None:
            self._write(image)
            return
        self._held.append(np.ascontiguousarray(image))
        if self._count * image.nbytes > self._in_memory:
            folder = cache_folder()
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (open as long as the array is)
            except OSError as error:
                raise InputError(
                    f"expected a folder for the pixels that do not fit in {self._in_memory >> 20} MiB of memory, got {error}; set XDG_CACHE_HOME to a folder that can be written"
                ) from error
            for one in self._held:
                self._write(one)
            self._held.clear()

    def _write(self, image: NDArray[Any]) -> None:
        assert self._file is not None
        with _room():
            self._file.write(image.tobytes())

    def finish(self) -> NDArray[Any]:
        """All images as one array, in the order in which they were added.

        After this call, no image can be added. Raises InputError if there are no images.
        """
        if self._shape is None:
            raise InputError("expected at least one image, got none; check the source that the images are read from")
        if self._file is None:
            return np.stack(self._held)
        with _room():
            self._file.flush()
        mapped = np.memmap(self._file, dtype=self._dtype, mode="r", shape=(self._count, *self._shape))
        self._file.close()  # the mapping holds on to it
        return mapped

    def __del__(self) -> None:
        if self._file is not None:  # given up before `finish`
            self._file.close()


@contextmanager
def _room() -> Generator[None, None, None]:
    """Replace the error of a full disk by an error that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        text = "expected disk space for the images' pixels, got a full disk; free some space, or set XDG_CACHE_HOME to a folder with more"
        raise OSError(error.errno, text, str(cache_folder())) from error
