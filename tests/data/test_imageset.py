"""Conversion of pixels, and ImageSet's checks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from doldrum.data import ImageSet, as_nchw, to_float
from doldrum.errors import InputError


def test_to_float_scales_by_type() -> None:
    assert to_float(np.array([0, 255], np.uint8)).tolist() == [0, 1]
    assert to_float(np.array([0, 65535], np.uint16)).tolist() == [0, 1]
    for dtype in (np.float16, np.float32, np.float64):
        out = to_float(np.array([0, 0.5, 1], dtype))
        assert out.dtype == np.float32
        assert out.tolist() == [0, 0.5, 1]


def test_to_float_leaves_its_input_alone() -> None:
    images = np.full((1, 1, 2, 2), 0.5, np.float32)
    to_float(images)[:] = 9
    assert (images == 0.5).all()


@pytest.mark.parametrize("dtype", [np.int64, bool, object, "U1"])
def test_to_float_refuses_types_without_a_range(dtype: object) -> None:
    with pytest.raises(InputError, match="expected uint8"):
        to_float(np.zeros(2, dtype))  # pyright: ignore[reportArgumentType]


def test_as_nchw_layouts() -> None:
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
    assert np.array_equal(as_nchw(colour), np.moveaxis(colour, -1, 1))
    assert as_nchw(colour[..., 0]).shape == (4, 1, 6, 5)
    assert as_nchw(np.zeros((4, 3, 6, 5))).shape == (4, 3, 6, 5)
    assert as_nchw(np.zeros((4, 7, 9, 9))).shape == (4, 7, 9, 9)
    assert as_nchw([[[0.0]]]).shape == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        ((4, 1, 5, 3), "both layouts"),
        ((4, 3, 5, 3), "both layouts"),
        ((28, 28, 3), "one image"),
        ((28, 28, 1), "one image"),
        ((4, 28, 28, 4), "channel"),
        ((28, 28), "first axis"),
        ((2, 2, 2, 2, 2), "expected images of shape"),
    ],
)
def test_as_nchw_refuses_what_may_be_read_two_ways(shape: tuple[int, ...], why: str) -> None:
    with pytest.raises(InputError, match=why):
        as_nchw(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (np.nan, "finite"),
        (np.inf, "finite"),
        (255.0, "divide by 255"),
        (-1.0, "normalisation"),
        (300.0, "normalisation"),
    ],
)
def test_imageset_refuses_pixels_out_of_range(value: float, why: str) -> None:
    images = np.zeros((5000, 1, 1, 1), np.float32)
    images[-1] = value  # in the second block that is looked at
    with pytest.raises(InputError, match=why):
        ImageSet(images)


BAD: list[tuple[dict, str]] = [
    ({"images": np.zeros((2, 2, 2), np.uint8)}, "as_nchw"),
    ({"images": np.zeros((0, 1, 2, 2), np.uint8)}, "at least one image"),
    ({"images": np.zeros((2, 1, 0, 2), np.uint8)}, "at least one image"),
    ({"images": np.zeros((2, 1, 2, 2), np.int64)}, "int64"),
    ({"images": np.zeros((2, 1, 2, 2), object)}, "object"),
    ({"labels": [0]}, "expected 2 labels"),
    ({"labels": [[0], [1]]}, "expected 2 labels"),
    ({"labels": [0, -1]}, "-1"),
    ({"labels": [0.0, 1.0]}, "float64"),
    ({"labels": ["cat", "dog"]}, "class numbers"),
    ({"labels": [0, 10**12]}, "class numbers"),
    ({"labels": np.array([0, 2**63 + 1], np.uint64)}, "class numbers"),
    ({"labels": [0, 2], "class_names": ["a", "b"]}, "below 2"),
    ({"ids": ["a"]}, "ids"),
]


@pytest.mark.parametrize(("change", "why"), BAD)
def test_imageset_says_what_is_wrong(change: dict, why: str) -> None:
    with pytest.raises(InputError, match=why):
        ImageSet(**{"images": np.zeros((2, 1, 2, 2), np.uint8), **change})


def specimen() -> ImageSet:
    images = np.arange(5 * 3 * 2 * 2, dtype=np.uint8).reshape(5, 3, 2, 2)
    return ImageSet(images, [0, 1, 2, 1, 0], [f"i{k}" for k in range(5)], ["a", "b", "c", "d"], "set")


def test_take_keeps_what_belongs_together() -> None:
    s = specimen()
    for indices in ([3, 0, -1], np.array([3, 0, 4]), np.array([3, 0, 4], np.uint8)):
        t = s.take(indices)
        assert t.ids == ("i3", "i0", "i4")
        assert t.labels is not None
        assert t.labels.tolist() == [1, 0, 0]
        assert np.array_equal(t.images, s.images[[3, 0, 4]])
    assert (t.class_names, t.name, t.num_classes) == (("a", "b", "c", "d"), "set", 4)
    assert s.take(range(2)).ids == ("i0", "i1")
    assert np.shares_memory(s.take(range(1, 3)).images, s.images)
    for r in (range(1, 3), range(0, 5, 2), range(4, 0, -2), range(-2, 0)):
        assert np.array_equal(s.take(r).images, s.images[np.arange(5)[np.asarray(r)]])
        assert s.take(r).ids == tuple(s.ids[i] for i in r)
    assert s.take(np.array([True, False, False, False, True])).ids == ("i0", "i4")
    assert ImageSet(s.images).take([1]).labels is None


@pytest.mark.parametrize("indices", [[], [5], [0.5], 3, [[0]], np.zeros(4, bool), ["a"]])
def test_take_refuses_indices_that_fit_nothing(indices: object) -> None:
    with pytest.raises(InputError):
        specimen().take(indices)  # pyright: ignore[reportArgumentType]


def test_content_hash_is_of_the_content(tmp_path: Path) -> None:
    s = specimen()
    np.save(tmp_path / "x.npy", s.images)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    strided = np.ascontiguousarray(s.images.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for other in (mapped, strided):
        assert ImageSet(other, s.labels, name="other").content_hash() == s.content_hash()
    changed = s.images.copy()
    changed[-1, -1, -1, -1] ^= 1
    others = [
        ImageSet(changed, s.labels),
        ImageSet(s.images),
        ImageSet(s.images, [0, 1, 2, 1, 1]),
        ImageSet(s.images.astype(np.uint16), s.labels),
        ImageSet(s.images.reshape(5, 3, 1, 4), s.labels),
    ]
    assert len({o.content_hash() for o in (s, *others)}) == 6
