"""Write a stream of pictures into one array on disk."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.files import write_whole
from doldrum.intake.base import Picture, Skipped
from doldrum.intake.decode import fit_image, fitting_note

__all__ = ["CollectedImages", "as_array"]

_HEADER = 128  # bytes of an .npy header: room for any number of rows


@dataclass(frozen=True, eq=False)
class CollectedImages:
    """Memory-mapped images uint8 (N, C, H, W), the id and the class name (or None) of each, and the skipped items.

    `note` tells how many images had another size or number of channels, and lists these shapes. `note` is None if no
    image had another size or number of channels.
    """

    images: NDArray[np.uint8]
    ids: tuple[str, ...]
    labels: tuple[str | None, ...]
    skipped: tuple[Skipped, ...]
    note: str | None = None


def as_array(
    items: Iterable[Picture | Skipped],
    path: str | os.PathLike[str],
    *,
    shape: tuple[int, int, int],
    resize: Literal["stretch", "crop"] | None = "stretch",
) -> CollectedImages:
    """Write pictures one by one into the .npy file `path`, in a classifier's input shape.

    One picture is in memory at a time.

    Parameters
    ----------
    items : iterable of Picture and Skipped
        The pictures to write, for example the result of :func:`open_images`. Wrap the items in a generator to count
        them during the run.
    path : str or path
        The .npy file to write. The file appears only when it is complete, and is not deleted afterwards.
    shape : (C, H, W)
        C is 1 or 3. Colour pictures are skipped when C is 1: turning them grey would change the evidence.
    resize : {"stretch", "crop"} or None
        Treatment of pictures of another size: "stretch" stretches them to H x W; "crop" scales them until they cover H
        x W, and crops them to their middle; None skips them. Scaling is bilinear, with antialiasing.

    Raises InputError if `shape` or `resize` has a wrong value, or if all pictures were skipped.

    >>> import tempfile
    >>> grey = Picture("a", np.full((2, 4, 3), 9, np.uint8), "cat")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = as_array([grey, Skipped("b", "broken")], f"{folder}/x.npy", shape=(1, 2, 2), resize="crop")
    ...     made.images.tolist(), made.ids, made.labels, len(made.skipped)
    ([[[[9, 9], [9, 9]]]], ('a',), ('cat',), 1)
    """
    channels, height, width = shape
    if channels not in (1, 3) or min(height, width) < 1:
        raise InputError(f"expected a shape (1 or 3, H, W), got {tuple(shape)}; pass the classifier's input shape")
    if resize not in ("stretch", "crop", None):
        raise InputError(f"expected resize to be 'stretch', 'crop' or None, got {resize!r}")
    ids: list[str] = []
    labels: list[str | None] = []
    skipped: list[Skipped] = []
    before: Counter[tuple[int, ...]] = Counter()

    def write(draft: Path) -> None:
        with draft.open("wb") as file:
            file.write(bytes(_HEADER))
            for item in items:
                if isinstance(item, Skipped):
                    skipped.append(item)
                    continue
                try:
                    row = fit_image(item.planes, channels=channels, size=(height, width), resize=resize)
                except InputError as error:
                    skipped.append(Skipped(item.id, str(error)))
                    continue
                file.write(row.tobytes())
                ids.append(item.id)
                labels.append(item.label)
                before[item.planes.shape] += 1
            if not ids:
                if not skipped:
                    raise InputError("expected at least one image, got an empty source; check the path")
                first = f"the first: {skipped[0].id}: {skipped[0].why}"
                raise InputError(f"expected at least one image, got only skipped files ({len(skipped)}); {first}")
            file.seek(0)
            file.write(_header((len(ids), channels, height, width)))

    target = write_whole(path, write)
    images: Any = np.lib.format.open_memmap(target, mode="r")
    note = fitting_note(before, (channels, height, width), resize=resize)
    return CollectedImages(images, tuple(ids), tuple(labels), tuple(skipped), note)


def _header(shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + (_HEADER - 10).to_bytes(2, "little") + text.ljust(_HEADER - 11) + b"\n"
