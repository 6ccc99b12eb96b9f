"""Folders and files of images: every kind, broken ones, hostile ones."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from doldrum.data import read_folder, read_image, read_images
from doldrum.data.readers import image_file
from doldrum.errors import InputError
from doldrum.intake import ImageLimits, decode

GREY = np.arange(28 * 28, dtype=np.uint32).reshape(28, 28).astype(np.uint8)
COLOUR = np.random.default_rng(0).integers(0, 256, (28, 28, 3), dtype=np.uint8)


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def png_claiming(width: int, height: int) -> bytes:
    """A PNG with this size in its header and one byte of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_class_subfolders_are_labels(tmp_path: Path) -> None:
    for name in ("dog/1.png", "cat/2.png", "cat/1.png"):
        save(tmp_path / name, GREY)
    read = read_folder(tmp_path)
    assert read.images.ids == ("cat/1.png", "cat/2.png", "dog/1.png")
    assert read.images.class_names == ("cat", "dog")
    assert read.images.labels is not None
    assert read.images.labels.tolist() == [0, 0, 1]
    assert np.array_equal(read.images.images[0, 0], GREY)
    assert read.skipped == ()


def test_a_class_of_broken_images_keeps_its_number(tmp_path: Path) -> None:
    save(tmp_path / "c" / "1.png", GREY)
    for name in ("a/1.png", "notes/readme.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("no image")
    read = read_folder(tmp_path)
    assert read.images.class_names == ("a", "c")
    assert read.images.labels is not None
    assert read.images.labels.tolist() == [1]
    assert [path for path, _ in read.skipped] == ["a/1.png", "notes/readme.txt"]


def test_without_one_subfolder_each_there_are_no_labels(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png", GREY)
    save(tmp_path / "2.png", GREY)
    save(tmp_path / ".hidden" / "3.png", GREY)
    save(tmp_path / ".4.png", GREY)
    read = read_folder(tmp_path)
    assert read.images.labels is None
    assert set(read.images.ids) == {"a/1.png", "2.png"}


def broken_folder(root: Path) -> Path:
    save(root / "good.png", GREY)
    save(root / "colour.png", COLOUR)
    whole = save(root / "cut.jpg", GREY).read_bytes()
    (root / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    data = bytearray(save(root / "corrupt.png", GREY).read_bytes())
    data[60:90] = bytes(30)
    (root / "corrupt.png").write_bytes(data)
    (root / "notes.txt").write_text("hello")
    (root / "empty.png").write_bytes(b"")
    (root / "none.png").write_bytes(png_claiming(0, 0))
    (root / "none.pgm").write_bytes(b"P5 0 0 255\n")
    (root / "bomb.png").write_bytes(png_claiming(60_000, 60_000))
    (root / "large.png").write_bytes(png_claiming(9_000, 9_000))
    (root / "huge.png").write_bytes(png_claiming(2**31 - 1, 2**31 - 1))
    (root / "page.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (root / "page.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    return root


def test_what_cannot_be_read_is_listed(tmp_path: Path) -> None:
    read = read_images(broken_folder(tmp_path), channels=1, size=(28, 28))
    assert read.images.ids == ("good.png",)
    assert np.array_equal(read.images.images[0, 0], GREY)
    reasons = dict(read.skipped)
    assert len(reasons) == 12
    assert all(reason.startswith("expected ") and ", got" in reason for reason in reasons.values())
    assert "colour" in reasons["colour.png"]
    assert "another kind" in reasons["notes.txt"]
    assert "decoded" in reasons["cut.jpg"]
    assert "pixels" in reasons["large.png"]


@pytest.mark.parametrize("name", ["colour.png", "cut.jpg", "notes.txt", "none.png", "bomb.png"])
def test_one_bad_file_named_alone_is_an_error(tmp_path: Path, name: str) -> None:
    broken_folder(tmp_path)
    with pytest.raises(InputError, match="expected"):
        read_images(tmp_path / name, channels=1, size=(28, 28))


def test_folders_without_a_readable_image(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got no files"):
        read_images(tmp_path, channels=1, size=(28, 28))
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(InputError, match=r"1 files, none readable; the first: a\.txt"):
        read_images(tmp_path, channels=1, size=(28, 28))
    with pytest.raises(InputError, match="which is not a folder"):
        read_folder(tmp_path / "gone")


def test_mixed_sizes_need_a_size(tmp_path: Path) -> None:
    save(tmp_path / "a.png", GREY)
    save(tmp_path / "b.png", GREY[:20, :10])
    with pytest.raises(InputError, match=r"20 x 10, 28 x 28.*size="):
        read_folder(tmp_path)
    images = read_folder(tmp_path, size=(14, 7)).images.images
    assert images.shape == (2, 1, 14, 7)
    expected = np.asarray(Image.fromarray(GREY).resize((7, 14), Image.Resampling.BILINEAR))
    assert np.array_equal(images[0, 0], expected)


def test_grey_and_colour_mix_to_colour(tmp_path: Path) -> None:
    save(tmp_path / "a.png", GREY)
    save(tmp_path / "b.png", COLOUR)
    images = read_folder(tmp_path).images.images
    assert images.shape == (2, 3, 28, 28)
    assert np.array_equal(images[0], np.repeat(GREY[None], 3, axis=0))
    assert np.array_equal(images[1], COLOUR.transpose(2, 0, 1))


def test_grey_stored_as_colour_serves_a_grey_model(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", np.repeat(GREY[..., None], 3, axis=2))
    assert np.array_equal(read_image(path, channels=1), GREY[None])


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    path = save(tmp_path / "a.png", GREY[:20], exif=exif)
    assert np.array_equal(read_image(path), np.rot90(GREY[:20], -1)[None])


def test_palette_is_resolved(tmp_path: Path) -> None:
    image = Image.fromarray((GREY % 4).astype(np.uint8), mode="L").convert("P")
    palette = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 8, 7]], np.uint8)
    image.putpalette(palette.tobytes())
    image.save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), palette[GREY % 4].transpose(2, 0, 1))
    image.save(tmp_path / "b.png", transparency=0)
    palette[0] = 255
    assert np.array_equal(read_image(tmp_path / "b.png"), palette[GREY % 4].transpose(2, 0, 1))


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[..., 0], rgba[..., 3] = 200, 255
    rgba[0, 0, 3] = 0
    out = read_image(save(tmp_path / "a.png", rgba))
    assert out[:, 0, 0].tolist() == [255, 255, 255]
    assert out[:, 1, 1].tolist() == [200, 0, 0]
    la = np.stack([GREY, np.full_like(GREY, 255)], axis=-1)
    assert np.array_equal(read_image(save(tmp_path / "b.png", la), channels=1), GREY[None])


def test_deep_grey_is_scaled(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    expected = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    for name in ("a.png", "a.tiff"):
        assert np.array_equal(read_image(save(tmp_path / name, deep)), expected)
    for top in (1, 255, 65535):
        floats = np.linspace(0, top, 256, dtype=np.float32).reshape(16, 16)
        assert np.array_equal(read_image(save(tmp_path / f"{top}.tiff", floats)), expected)
    floats[0, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        read_image(save(tmp_path / "nan.tiff", floats))


def test_cmyk_and_black_and_white(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "a.tiff")
    assert read_image(tmp_path / "a.tiff")[:, 0, 0].tolist() == [255, 0, 0]
    Image.fromarray(GREY > 100).save(tmp_path / "b.png")
    assert np.array_equal(read_image(tmp_path / "b.png")[0], np.where(GREY > 100, 255, 0))


def test_the_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (read_image(tmp_path / "a.gif") == 10).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_thin_images_are_resized(tmp_path: Path, shape: tuple[int, int], channels: int) -> None:
    path = save(tmp_path / "a.png", np.full(shape, 50, np.uint8))
    out = read_image(path, channels=channels, size=(6, 5))
    assert out.shape == (channels, 6, 5)
    assert (out == 50).all()


@pytest.mark.parametrize(
    "options", [{"channels": 2}, {"channels": 4}, {"size": (0, 5)}, {"size": (-1, 5)}, {"size": (5,)}]
)
def test_impossible_wishes(tmp_path: Path, options: dict) -> None:
    path = save(tmp_path / "a.png", GREY)
    with pytest.raises(InputError, match="expected a"):
        read_image(path, **options)


def test_links_that_leave_the_folder_are_listed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    save(root / "a.png", GREY)
    save(tmp_path / "outside.png", GREY)
    (root / "link.png").symlink_to(tmp_path / "outside.png")
    (root / "inner.png").symlink_to(root / "a.png")
    (root / "loop.png").symlink_to(root / "loop.png")
    (root / "gone.png").symlink_to(tmp_path / "gone.png")
    (root / "up").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(root / "pipe.png")
    read = read_folder(root)
    assert read.images.ids == ("a.png", "inner.png")
    assert [path for path, _ in read.skipped] == ["link.png"]
    assert "link to a file outside" in read.skipped[0][1]


def test_strange_names_become_safe_text(tmp_path: Path) -> None:
    good = save(tmp_path / "good.png", GREY).read_bytes()
    for name in (b"\xff.png", b"two\nlines.png", b"\x1b[31mred.png", "grün.png".encode()):
        (tmp_path / os.fsdecode(name)).write_bytes(good)
    (tmp_path / os.fsdecode(b"\xfe.txt")).write_text("hello")
    read = read_folder(tmp_path)
    assert set(read.images.ids) == {"good.png", "\\xff.png", "two\\nlines.png", "\\x1b[31mred.png", "grün.png"}
    assert read.skipped[0][0] == "\\xfe.txt"
    for text in (*read.images.ids, read.skipped[0][0]):
        text.encode()


def test_the_bomb_limit_is_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", GREY)
    monkeypatch.setattr(image_file, "_LIMITS", ImageLimits(pixels=100))
    monkeypatch.setattr(decode, "image_pixels", lambda image: pytest.fail("decoded"))
    with pytest.raises(InputError, match="at most 100 pixels"):
        read_image(path)


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        read_image(tmp_path / "gone.png")
