"""Published sets that are cut, lie, or lead elsewhere: an error in words, and nothing outside is read."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from doldrum.data import cifar10, cifar100, gtsrb, imagenet_folder, read_folder, tiny_imagenet
from doldrum.data.store import PixelStore
from doldrum.errors import InputError

sys.path.insert(0, str(Path(__file__).parent))
from test_colour_sets import HEADER, put_cifar10, records, sign, signs, tiny  # noqa: F401  (fixtures)


def published(monkeypatch: pytest.MonkeyPatch, read: object, **counts: int) -> None:
    monkeypatch.setattr(sys.modules[read.__module__], "_PUBLISHED", counts)  # type: ignore[attr-defined]


def test_cifar_files_cut_at_a_record_are_noticed(tmp_path: Path) -> None:
    put_cifar10(tmp_path)
    for split, count in (("train", 50_000), ("test", 10_000)):
        with pytest.raises(InputError, match=f"the {count} published images of CIFAR-10.*fetch the data set again"):
            cifar10(split, folder=tmp_path)
    for split in ("train", "test"):
        (tmp_path / f"{split}.bin").write_bytes(records((19, 99), (1, 42)))
    with pytest.raises(InputError, match="the 50000 published images of CIFAR-100"):
        cifar100("train", folder=tmp_path)


def test_a_whole_cifar_is_taken(tmp_path: Path) -> None:
    one = np.frombuffer(records((7,)), dtype=np.uint8)
    put_cifar10(tmp_path, test=np.tile(one, 10_000).tobytes())
    assert len(cifar10("test", folder=tmp_path)) == 10_000
    with (tmp_path / "test_batch.bin").open("r+b") as file:
        file.truncate(9_999 * 3073)
    with pytest.raises(InputError, match="got 9999"):
        cifar10("test", folder=tmp_path)


def test_names_of_classes_are_safe_text(tmp_path: Path) -> None:
    put_cifar10(tmp_path)
    (tmp_path / "batches.meta.txt").write_text("\n".join(["\x1b[31mcat", *(f"c{k}" for k in range(9))]))
    assert "\x1b" not in cifar10("test", folder=tmp_path, check=False).class_names[0]


@pytest.mark.usefixtures("signs")
def test_gtsrb_without_some_classes_is_noticed(signs: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    for split in ("train", "test"):
        with pytest.raises(InputError, match=r"(39209|12630) published images of GTSRB"):
            gtsrb(split, folder=signs)
    root = signs / "GTSRB"
    shutil.copytree(root / "Final_Training" / "Images", root / "Training")
    published(monkeypatch, gtsrb, Final_Training=4, Training=3, Final_Test=1)
    assert len(gtsrb("train", folder=signs)) == 4
    assert len(gtsrb("test", folder=signs)) == 1
    shutil.rmtree(root / "Final_Training")
    with pytest.raises(InputError, match="the 3 published images of GTSRB, Training"):
        gtsrb("train", folder=signs)


ROW = "{};60;50;10;5;41;36;7\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (HEADER + ROW.format("00000.ppm") * 2, "twice"),
        (HEADER + ROW.format(".."), "file name"),
        (HEADER + ROW.format(""), "file name"),
        (HEADER + ROW.format("..\\00000.ppm"), "file name"),
        (HEADER + ROW.format("/dev/zero"), "file name"),
        ("ClassId;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;Filename\n7;1;1;5;5\n", "file name"),
        (HEADER + ROW.format("x" * 200_000), "field larger"),
        (HEADER + ROW.format("00000.ppm").replace(";7", ";" + "9" * 5000), "numbers in line 2"),
        (HEADER + ROW.format("00000.ppm").replace(";7", ";7.0"), "numbers in line 2"),
    ],
)
def test_gtsrb_lists_that_lie(signs: Path, content: str, why: str) -> None:  # noqa: F811
    (signs / "GT-final_test.csv").write_text(content)
    with pytest.raises(InputError, match=why) as error:
        gtsrb("test", folder=signs, check=False)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("name", ["\u00b2", "0", "00043", "00000x", "\x1b[31m"])
def test_gtsrb_folders_that_are_no_classes(signs: Path, name: str) -> None:  # noqa: F811
    (signs / "GTSRB" / "Final_Training" / "Images" / name).mkdir()
    with pytest.raises(InputError, match="expected folders 00000 to 00042") as error:
        gtsrb("train", folder=signs, check=False)
    assert "\x1b" not in str(error.value)


def test_gtsrb_pictures_of_other_kinds(signs: Path) -> None:  # noqa: F811
    path = signs / "GTSRB" / "Final_Test" / "Images" / "00000.ppm"
    for image, value in (
        (Image.new("L", (60, 50), 77), 77),
        (Image.new("RGBA", (60, 50), (0, 0, 0, 0)), 255),
        (Image.new("CMYK", (60, 50), (0, 0, 0, 255)), 0),
        (Image.fromarray(np.full((50, 60), 65535, np.uint16)), 255),
    ):
        image.save(path, "TIFF")
        s = gtsrb("test", folder=signs, check=False)
        assert s.input_shape == (3, 32, 32)
        assert (s.images == value).all()
    path.write_bytes(b"P6\n60000 60000\n255\n")
    with pytest.raises(InputError, match=r"expected at most .* pixels, got 3600000000; make the image smaller"):
        gtsrb("test", folder=signs, check=False)
    for make in (path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to("/dev/zero")):
        path.unlink()
        make()
        with pytest.raises(InputError, match="folder, a pipe or a device"):
            gtsrb("test", folder=signs, check=False)
        if path.is_dir():
            path.rmdir()
            path.touch()


def test_tiny_imagenet_that_is_cut_or_leads_elsewhere(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    for split, count in (("train", 100_000), ("val", 10_000)):
        with pytest.raises(InputError, match=f"the {count} published images of Tiny ImageNet"):
            tiny_imagenet(split, folder=tiny)
    published(monkeypatch, tiny_imagenet, train=4, val=2)
    assert len(tiny_imagenet("train", folder=tiny)) == 4
    root = tiny / "tiny-imagenet-200"
    sign(tiny / "elsewhere" / "images" / "a.JPEG", 64, 64)
    (root / "wnids.txt").write_text("n01\n../../elsewhere\n")
    with pytest.raises(InputError, match=r"WordNet ids.*elsewhere"):
        tiny_imagenet("train", folder=tiny)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("val_0.JPEG\tn01\nval_0.JPEG\tn02\n", "twice"),
        ("..\tn01\n", "file name"),
        ("\tn01\n", "file name"),
        ("val_0.JPEG\n", "file name"),
        ("a\\b.JPEG\tn01\n", "file name"),
    ],
)
def test_tiny_imagenet_lists_that_lie(tiny: Path, content: str, why: str) -> None:  # noqa: F811
    (tiny / "tiny-imagenet-200" / "val" / "val_annotations.txt").write_text(content)
    with pytest.raises(InputError, match=why):
        tiny_imagenet("val", folder=tiny, check=False)


def test_tiny_imagenet_pictures_of_another_size(tiny: Path) -> None:  # noqa: F811
    sign(tiny / "tiny-imagenet-200" / "val" / "images" / "val_1.JPEG", 32, 64)
    with pytest.raises(InputError, match="32 x 64"):
        tiny_imagenet("val", folder=tiny, check=False)


def test_an_imagenet_folder_of_odd_pictures(tmp_path: Path) -> None:
    sign(tmp_path / "a" / "plain.webp", 30, 30)
    Image.new("CMYK", (30, 30)).save(tmp_path / "a" / "cmyk.jpg")
    Image.new("L", (60_000, 1)).save(tmp_path / "a" / "thin.png")
    Image.new("1", (9000, 9000)).save(tmp_path / "a" / "huge.png")
    (tmp_path / "a" / "text.jpg").write_text("not an image")
    (tmp_path / "a" / "notes.txt").write_text("passed over")
    os.mkfifo(tmp_path / "a" / "pipe.png")
    read = imagenet_folder(tmp_path, size=(16, 16), resize=2000)
    assert read.images.ids == ("a/cmyk.jpg", "a/plain.webp")
    skipped = dict(read.skipped)
    assert set(skipped) == {"a/thin.png", "a/huge.png", "a/text.jpg"}
    assert "not so thin" in skipped["a/thin.png"]
    assert "9000 x 9000" in skipped["a/huge.png"]


@pytest.mark.parametrize(
    "wrong",
    [{"size": 5}, {"size": "ab"}, {"size": (0, 4)}, {"size": (4, 10**9)}, {"resize": "x"}, {"per_class": "x"}, {"seed": "x"}],
)  # fmt: skip
def test_an_imagenet_folder_asked_for_odd_things(tmp_path: Path, wrong: dict) -> None:
    sign(tmp_path / "a" / "x.png", 30, 30)
    with pytest.raises(InputError, match="expected"):
        imagenet_folder(tmp_path, **wrong)


def test_a_folder_is_read_image_by_image_into_a_file_where_it_is_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(PixelStore.__init__, "__kwdefaults__", {"in_memory": 100})
    folder = tmp_path / "images"
    folder.mkdir()
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    for k in range(3):
        Image.fromarray(grey).save(folder / f"{k}.png")
    colour = sign(folder / "9.png", 8, 8)
    s = read_folder(folder).images
    assert isinstance(s.images, np.memmap)
    assert (s.images[:3] == grey).all()
    assert np.array_equal(s.images[3], colour.transpose(2, 0, 1))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "0.png"))
    with pytest.raises(InputError, match="XDG_CACHE_HOME"):
        read_folder(folder)
