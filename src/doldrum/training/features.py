"""Features of training images from a frozen trunk (the first layers of a network). Features are computed only for
images whose features are not stored yet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from doldrum.data.places import cache_folder, written_alone
from doldrum.data.store import PixelStore
from doldrum.errors import InputError
from doldrum.files import write_whole
from doldrum.networks import Transfer
from doldrum.progress import progress_bar
from doldrum.training.batches import as_trained

__all__ = ["trunk_features"]

_ROWS = 64  # of every batch, the last one padded: the same numbers come out of whatever else is computed
_WIDTH = 16  # bytes of an image's digest
_FORMAT = "features-1"


def trunk_features(
    model: nn.Sequential, images: Any, *, precision: Any, bf16: bool, progress: bool = True, folder: Path | None = None
) -> NDArray[np.float32]:
    """Compute the features `trunk(normalise(image))` of every image, as float32 (N, C, H, W). `model` was made by the
    function `build`, and its second part, the body, is of the class `Transfer`.

    Images are recognised by a digest of their pixels. If most images of a set are new, their features are kept in
    `folder` (by default `features` in the cache folder). Features are reused only for the same weights, image size and
    machine. A poisoned training set has most images in common with the original training set. Only the images of a
    poisoned set that are not in the original set go through the network, and their features are not kept. If the
    features need more than 1 GiB, they are stored on disk. The function `precision` returns the context manager for the
    forward passes, and `bf16` says whether these forward passes run in bfloat16.
    """
    body = model[1]
    assert isinstance(body, Transfer)
    device = next(model.parameters()).device
    place = (folder or cache_folder() / "features") / _identity(body, device, bf16=bf16)
    digests = [_digest(images[i]) for i in range(len(images))]
    known = _known(place)
    new: dict[bytes, int] = {}
    for i, digest in enumerate(digests):
        if digest not in known:
            new.setdefault(digest, i)
    fresh = PixelStore()
    with progress_bar(f"features of {body.kind}", len(new), show=progress) as advance:
        for block in _computed(model, images, list(new.values()), precision=precision, device=device):
            for one in block:
                fresh.add(one)
            advance(len(block))
    if new:
        computed = fresh.finish()
        if 2 * len(new) > len(images):
            with suppress(OSError, InputError):  # no room, or a folder that can't be written: it is only a cache
                _keep(place, list(new), computed)
        known |= {digest: (computed, row) for row, digest in enumerate(new)}
    out = PixelStore()
    for digest in digests:
        array, row = known[digest]
        out.add(array[row])
    return out.finish()


def _computed(
    model: nn.Sequential, images: Any, rows: list[int], *, precision: Any, device: torch.device
) -> Iterator[NDArray[np.float32]]:
    first, trunk = model[0].eval(), model[1].trunk  # pyright: ignore[reportAttributeAccessIssue]
    for start in range(0, len(rows), _ROWS):
        chosen = rows[start : start + _ROWS]
        padded = chosen + [chosen[-1]] * (_ROWS - len(chosen))
        part = torch.from_numpy(as_trained(images[padded])).to(device)
        part = part.float().div_(255) if part.dtype == torch.uint8 else part
        with torch.inference_mode(), precision():
            found = trunk(first(part.contiguous(memory_format=torch.channels_last)))  # pyright: ignore[reportCallIssue]
        yield found.float().contiguous().cpu().numpy()[: len(chosen)]


def _identity(body: Transfer, device: torch.device, *, bf16: bool) -> str:
    """A hash of all settings on which the features of an image depend, such as the network, the machine and the
    precision."""
    machine = [torch.__version__, device.type, torch.backends.cpu.get_cpu_capability(), torch.get_num_threads(), bf16]
    text = json.dumps([_FORMAT, body.source, len(body.trunk), body.shape, machine])  # pyright: ignore[reportArgumentType]
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _digest(image: NDArray[Any]) -> bytes:
    return hashlib.blake2b(
        np.ascontiguousarray(image).tobytes(), digest_size=_WIDTH, key=image.dtype.str.encode()
    ).digest()


def _known(place: Path) -> dict[bytes, tuple[NDArray[np.float32], int]]:
    """Return a dict from the digest of each known image to its features, as an array and a row number in this array.
    Files that can't be read are ignored. A list of digests is written after the features, so if the list exists, the
    features are complete."""
    out: dict[bytes, tuple[NDArray[np.float32], int]] = {}
    for listed in sorted(place.glob("*.digests.npy")) if place.is_dir() else ():
        try:
            digests = np.load(listed, allow_pickle=False)
            array = np.load(listed.with_name(listed.name.replace(".digests", "")), mmap_mode="r", allow_pickle=False)
            if digests.shape != (len(array), _WIDTH) or array.ndim != 4 or array.dtype != np.float32:
                continue
        except (OSError, ValueError):
            continue
        for row, digest in enumerate(digests):
            out.setdefault(digest.tobytes(), (array, row))
    return out


def _keep(place: Path, digests: list[bytes], features: NDArray[np.float32]) -> None:
    name = hashlib.sha256(b"".join(digests)).hexdigest()[:24]
    table = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, _WIDTH)
    with written_alone(place):
        for path, array in ((place / f"{name}.npy", features), (place / f"{name}.digests.npy", table)):

            def write(draft: Path, array: NDArray[Any] = array) -> None:
                with draft.open("wb") as file:
                    np.save(file, array, allow_pickle=False)

            write_whole(path, write)
