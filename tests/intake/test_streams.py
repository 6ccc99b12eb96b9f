"""Packed streams: several in a row, damaged ones, and what they may unpack to."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Callable

import pyarrow as pa
import pytest

from doldrum.errors import InputError
from doldrum.intake import ImageLimits
from doldrum.intake.streams import Budget, Reader, unpacked

TEXT = b"calm " * 40_000
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
}


def everything(reader: Reader, size: int = 7001) -> bytes:
    return b"".join(iter(lambda: reader.read(size), b""))


def budget(**limits: int) -> Budget:
    return Budget(0, ImageLimits(**{"unpacked_free": 1 << 20, **limits}))


@pytest.mark.parametrize("kind", PACK)
def test_streams_in_a_row_are_one(kind: str) -> None:
    packed = PACK[kind](TEXT) + (bytes(8) if kind == "xz" else b"") + PACK[kind](b"end")
    assert everything(unpacked(io.BytesIO(packed), kind, budget())) == TEXT + b"end"


@pytest.mark.parametrize("kind", PACK)
def test_damage_is_an_input_error(kind: str) -> None:
    whole = PACK[kind](bytes(range(256)) * 400)
    damaged = [whole[:20] + b"????" + whole[24:]] if kind != "zstd" else []  # which has no checksum here
    for broken in (whole[: len(whole) // 2], *damaged):
        with pytest.raises(InputError, match="expected a whole packed file, got "):
            everything(unpacked(io.BytesIO(broken), kind, budget()))


@pytest.mark.parametrize("kind", PACK)
def test_the_budget_ends_a_bomb(kind: str) -> None:
    counted = budget(unpacked_free=1000)
    with pytest.raises(InputError, match="at most 1000 bytes"):
        everything(unpacked(io.BytesIO(PACK[kind](bytes(1 << 24))), kind, counted))
    assert counted.spent
