"""Arrays and published sets are fitted to a model as a folder's images are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from doldrum.cli.inputs import load_images
from doldrum.data import ImageSet, read_images
from doldrum.data.readers.fitted import fit_images
from doldrum.errors import InputError
from doldrum.measuring.collected import collect_images

GREY = np.random.default_rng(0).integers(0, 256, (6, 10, 8), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 10, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("resize", ["stretch", "crop"])
@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_an_array_and_a_folder_of_the_same_images_give_the_same_pixels(tmp_path: Path, pixels, resize) -> None:
    np.save(tmp_path / "a.npy", pixels)
    (tmp_path / "files").mkdir()
    for k, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / "files" / f"{k}.png")
    wanted = {"channels": 3, "size": (6, 6), "resize": resize}
    array, folder = (read_images(tmp_path / name, **wanted) for name in ("a.npy", "files"))
    stored = collect_images(tmp_path / "files", tmp_path / "work", shape=(3, 6, 6), resize=resize, progress=False)
    assert np.array_equal(array.images.images, folder.images.images)
    assert np.array_equal(array.images.images, stored[0:6])
    how, were = {"stretch": "stretched", "crop": "cut to their middle"}[resize], "1" if pixels is GREY else "3"
    note = f"6 of 6 images were fitted to 3 x 6 x 6 (channels x height x width; other sizes are {how}): they were {were} x 10 x 8"
    assert array.notes == folder.notes == (note,)
    assert stored.note == note


def test_what_a_model_takes_is_left_as_it_is(tmp_path: Path) -> None:
    floats = ImageSet(np.full((2, 1, 4, 4), 0.3, np.float32))
    read = fit_images(floats, channels=1, size=(4, 4))
    assert read.images is floats
    assert read.notes == ()


def test_floats_are_rounded_to_the_nearest_of_256() -> None:
    read = fit_images(ImageSet(np.full((2, 1, 4, 4), 0.71, np.float32), labels=[1, 0]), channels=3, size=(4, 4))
    assert (read.images.images == 181).all()  # 0.71 * 255 = 181.05
    assert read.images.labels is not None
    assert read.images.labels.tolist() == [1, 0]


def test_colour_is_skipped_for_a_grey_model_and_named() -> None:
    pixels = np.repeat(GREY[:, None], 3, axis=1)
    pixels[2, 0, 0, 0] ^= 1
    read = fit_images(ImageSet(pixels, labels=range(6)), channels=1, size=(10, 8))
    assert np.array_equal(read.images.images[:, 0], np.delete(GREY, 2, axis=0))
    assert read.images.labels is not None
    assert read.images.labels.tolist() == [0, 1, 3, 4, 5]
    assert [name for name, _ in read.skipped] == ["2"]
    assert "convert it to grey first" in read.skipped[0][1]
    with pytest.raises(
        InputError, match=r"x\.npy: expected images that the model takes, got none among 6 images; .*convert it"
    ):
        fit_images(ImageSet(COLOUR.transpose(0, 3, 1, 2), name="x.npy"), channels=1, size=(10, 8))


@pytest.mark.parametrize(("of", "to"), [(4, 3), (3, 4), (2, 2)])
def test_other_channels_are_refused(of: int, to: int) -> None:
    with pytest.raises(
        InputError, match=rf"expected images of {to} x 5 x 5 .*got {of} x 8 x 8; save them in this shape"
    ):
        fit_images(ImageSet(np.zeros((2, of, 8, 8), np.uint8)), channels=to, size=(5, 5))


def test_a_limit_counts_before_images_are_fitted(tmp_path: Path, capsys) -> None:
    class Model:
        input_shape = (3, 5, 5)

    np.save(tmp_path / "a.npy", GREY)
    read = load_images(str(tmp_path / "a.npy"), classifier=Model(), limit=2)
    assert read.images.images.shape == (2, 3, 5, 5)
    assert "note: 2 of 2 images were fitted to 3 x 5 x 5" in capsys.readouterr().err
