"""Pictures into one array: sizes, cuts, colours, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from doldrum.errors import InputError
from doldrum.intake import Picture, Skipped, as_array

WIDE = np.random.default_rng(0).integers(0, 256, (8, 16, 3), dtype=np.uint8)


def test_crop_keeps_the_middle_and_stretch_everything(tmp_path: Path) -> None:
    picture = Picture("a", WIDE)
    cut = as_array([picture], tmp_path / "a.npy", shape=(3, 8, 8), resize="crop").images
    assert np.array_equal(cut[0], WIDE[:, 4:12].transpose(2, 0, 1))
    whole = as_array([picture], tmp_path / "b.npy", shape=(3, 4, 4)).images
    expected = np.asarray(Image.fromarray(WIDE).resize((4, 4), Image.Resampling.BILINEAR))
    assert np.array_equal(whole[0], expected.transpose(2, 0, 1))
    half = as_array([picture], tmp_path / "c.npy", shape=(3, 4, 4), resize="crop").images
    middle = np.ascontiguousarray(WIDE[:, 4:12])
    expected = np.asarray(Image.fromarray(middle).resize((4, 4), Image.Resampling.BILINEAR))
    assert np.array_equal(half[0], expected.transpose(2, 0, 1))


def test_thin_images_are_cut(tmp_path: Path) -> None:
    thin = Picture("a", np.full((1, 3000, 3), 7, np.uint8))
    assert (as_array([thin], tmp_path / "a.npy", shape=(3, 5, 5), resize="crop").images == 7).all()


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    grey = np.full((4, 4, 3), 3, np.uint8)
    items = [Picture("colour", WIDE[:4, :4]), Picture("grey", grey, "x"), Skipped("b", "broken"), Picture("big", WIDE)]
    made = as_array(items, tmp_path / "a.npy", shape=(1, 4, 4), resize=None)
    assert (made.ids, made.labels, made.images.shape) == (("grey",), ("x",), (1, 1, 4, 4))
    assert [s.id for s in made.skipped] == ["colour", "b", "big"]
    made = as_array(items, tmp_path / "b.npy", shape=(3, 4, 4), resize=None)
    assert made.ids == ("colour", "grey")
    assert "8 x 16" in made.skipped[1].why


def test_the_file_is_whole_or_absent(tmp_path: Path) -> None:
    def broken():
        yield Picture("a", WIDE)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        as_array(broken(), tmp_path / "a.npy", shape=(3, 8, 8))
    with pytest.raises(InputError, match=r"at least one image, got only skipped files \(1\); the first: a: broken"):
        as_array([Skipped("a", "broken")], tmp_path / "a.npy", shape=(3, 8, 8))
    assert list(tmp_path.iterdir()) == []


def test_many_rows_fit_the_header(tmp_path: Path) -> None:
    pixel = np.zeros((1, 1, 3), np.uint8)
    made = as_array((Picture(str(i), pixel + i % 256) for i in range(1234)), tmp_path / "a.npy", shape=(3, 1, 1))
    again = np.load(tmp_path / "a.npy")
    assert again.shape == made.images.shape == (1234, 3, 1, 1)
    assert again[:, 0, 0, 0].tolist() == [i % 256 for i in range(1234)]


@pytest.mark.parametrize(("shape", "resize"), [((2, 4, 4), None), ((3, 0, 4), None), ((3, 4, 4), "fit")])
def test_wrong_arguments(tmp_path: Path, shape: tuple[int, int, int], resize: str) -> None:
    with pytest.raises(InputError, match="expected"):
        as_array([Picture("a", WIDE)], tmp_path / "a.npy", shape=shape, resize=resize)  # pyright: ignore[reportArgumentType]
