"""textures: which pictures become classes, and which piece of a texture an image is, on a small archive drawn here."""

from __future__ import annotations

import errno
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from doldrum.data import DATASETS, load_dataset, textures
from doldrum.data.sets import textures as module
from doldrum.errors import DatasetNotFoundError, InputError

SIDE = 256


def drawn(seed: int, *, width: int = SIDE, height: int = SIDE) -> np.ndarray:
    """Red is how far to the right a pixel is (0 to 255); green and blue are blocks that no other seed has."""
    blocks = np.random.default_rng(seed).integers(0, 2, (8, 8, 2)).astype(np.uint8) * 255
    other = np.asarray(
        Image.fromarray(np.concatenate([blocks, blocks[..., :1]], 2)).resize((width, height), Image.Resampling.NEAREST)
    )
    red = np.broadcast_to(((np.arange(width) + 0.5) / width * 255).astype(np.uint8)[None, :, None], (height, width, 1))
    return np.concatenate([red, other[..., :2]], axis=2)


def encoded(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, format="PNG")
    return out.getvalue()


def good_files() -> dict[str, bytes]:
    files = {f"textures/tex_a/good{k}.png": encoded(Image.fromarray(drawn(k))) for k in range(4)}
    files["textures/tex_b/large.png"] = encoded(Image.fromarray(drawn(9, width=768, height=512)))
    files["textures/tex_b/opaque.png"] = encoded(Image.fromarray(drawn(10)).convert("RGBA"))
    return files


def bad_files() -> dict[str, bytes]:
    clear = Image.fromarray(drawn(20)).convert("RGBA")
    clear.putpixel((3, 3), (0, 0, 0, 0))
    grey = np.repeat(drawn(21)[..., 1:2], 3, axis=2)
    return {
        "textures/tex_a/good0_nm.png": encoded(Image.fromarray(drawn(22))),
        "textures/tex_a/small.png": encoded(Image.fromarray(drawn(23, width=255))),
        "textures/tex_a/clear.png": encoded(clear),
        "textures/tex_a/grey.png": encoded(Image.fromarray(grey)),
        "textures/tex_a/flat.png": encoded(Image.fromarray(np.full((SIDE, SIDE, 3), (90, 60, 30), np.uint8))),
        "textures/tex_a/readme.txt": b"no picture",
    }


def archive(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / "0textures.pk3", "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DOLDRUM_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(module, "_DEBIAN", tmp_path / "debian")
    archive(tmp_path / "data" / "textures", {**good_files(), **bad_files()})
    return tmp_path


def test_classes_are_opaque_colour_pictures_the_large_ones_first(here: Path) -> None:
    found = textures("train", classes=6, crops=2)
    assert found.class_names[0] == "b-large.png"
    assert set(found.class_names) == {"b-large.png", "b-opaque.png", *(f"a-good{k}.png" for k in range(4))}
    with pytest.raises(InputError, match=r"expected 7 textures, got 6 in .*0textures.pk3; ask for fewer"):
        textures("train", classes=7, crops=2)


def test_of_two_that_look_alike_one_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    darker = Image.fromarray((drawn(0) * 0.7).astype(np.uint8))
    folder = archive(tmp_path / "own", {**good_files(), "textures/tex_c/twin.png": encoded(darker)})
    names = textures("test", classes=6, folder=folder).class_names
    assert len({"a-good0.png", "c-twin.png"} & set(names)) == 1
    with pytest.raises(InputError, match="expected 7 textures, got 6"):
        textures("test", classes=7, folder=folder)


@pytest.mark.parametrize(("split", "low", "high"), [("train", 0.0, 0.6), ("test", 0.7, 1.0)])
def test_pieces_are_of_the_splits_part_of_the_scale_said_and_half_are_mirrored(
    here: Path, split: str, low: float, high: float
) -> None:
    found = textures(split, classes=6, crops=100, size=32)
    assert found.images.shape == (6 * (100 if split == "train" else 50), 3, 32, 32)
    red = found.images[:, 0].astype(float)
    assert red.min() >= low * 255 - 1.5
    assert red.max() <= high * 255 + 1.5
    large = np.asarray(found.labels) == 0  # 768 x 512: the scale is of the shorter side
    slope = (red[..., -1] - red[..., 0]).mean(axis=1)
    span = np.abs(slope) * 32 / 31 / 255
    for chosen, short in ((large, 512 / 768), (~large, 1.0)):
        assert span[chosen].min() >= 0.15 * short - 0.015
        assert span[chosen].max() <= 0.3 * short + 0.015
    assert span[~large].max() - span[~large].min() > 0.1
    assert 0.4 < (slope < 0).mean() < 0.6
    assert red[~large].min() < low * 255 + 8  # places are spread over the whole part
    assert red[~large].max() > high * 255 - 8


def test_the_same_images_come_again_and_few_classes_are_the_first_of_many(here: Path) -> None:
    first = textures("train", classes=6, crops=3, size=48)
    kept = sorted(file for file in (here / "cache" / "doldrum" / "textures").iterdir() if file.name != ".lock")
    assert len(kept) == 2
    again = textures("train", classes=6, crops=3, size=48)
    assert isinstance(again.images, np.memmap)
    assert again.content_hash() == first.content_hash()
    for file in kept:
        file.unlink()  # arrays that are mapped keep theirs
        file.write_bytes(b"broken")
    assert textures("train", classes=6, crops=3, size=48).content_hash() == first.content_hash()
    few = textures("train", classes=2, crops=3, size=48)
    assert few.class_names == first.class_names[:2]
    assert np.array_equal(few.images, first.images[:6])
    assert len(set(first.ids)) == len(first)


def test_options_in_the_name(here: Path) -> None:
    found = load_dataset("textures,classes=2,size=40,crops=4:train")
    assert found.images.shape == (8, 3, 40, 40)
    assert found.content_hash() == textures("train", classes=2, size=40, crops=4).content_hash()
    assert load_dataset("textures,classes=2,crops=4").images.shape == (100, 3, 32, 32)


@pytest.mark.parametrize("wrong", [{"classes": 1}, {"classes": 401}, {"size": 31}, {"size": 225}, {"crops": 0}])
def test_options_out_of_range(here: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"as {next(iter(wrong))}, got"):
        textures("train", **wrong)


def test_broken_and_absent_files(here: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="apt-get install ufoai-textures"):
        textures("train", folder=here / "nowhere")
    with pytest.raises(InputError, match="split"):
        textures("val")
    (here / "data" / "textures" / "0textures.pk3").write_bytes(b"no zip")
    with pytest.raises(InputError, match="install the package again"):
        textures("train")
    archive(here / "data" / "textures", {"textures/tex_a/x.png": b"no picture"})
    with pytest.raises(InputError, match=r"expected a picture in .*x.png"):
        textures("train", classes=2)


def test_a_full_disk_is_one_error_and_leaves_no_draft(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, offset: int, size: int) -> None:
        assert size == 2 * 3 * 3 * 32 * 32 + 128
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match=r"expected space on the disk, got a full disk; free some space"):
        textures("train", classes=2, crops=3)
    assert [file.name for file in (here / "cache" / "doldrum" / "textures").iterdir()] == [".lock"]


def test_a_draft_of_a_killed_run_is_removed(here: Path) -> None:
    place = here / "cache" / "doldrum" / "textures"
    place.mkdir(parents=True)
    (place / "0123.npy.4711.part").write_bytes(b"half")
    textures("train", classes=2, crops=2)
    assert not list(place.glob("*.part"))


def test_a_cache_that_cannot_be_written_is_no_broken_package(here: Path) -> None:
    (here / "cache").write_bytes(b"a file in its place")
    with pytest.raises(
        InputError, match=r"expected a cache folder that can be written, got .*textures .*set .* XDG_CACHE_HOME"
    ):
        textures("train", classes=2, crops=2)


@pytest.mark.skipif(DATASETS["textures"].locate() is None, reason="ufoai-textures is not here (tools/get-textures)")
def test_the_package_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = textures("test", classes=2)
    assert found.class_names[0] == "buildings-floor013.png"
    assert found.images.shape == (100, 3, 32, 32)
    assert found.images.std() > 16
