"""CIFAR, GTSRB, Tiny ImageNet and ImageNet-style folders, in small copies made here."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from doldrum.data import cifar10, cifar100, gtsrb, imagenet_folder, tiny_imagenet
from doldrum.errors import DatasetNotFoundError, InputError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)


def records(*labels: tuple[int, ...]) -> bytes:
    return b"".join(bytes(lab) + PIXELS[k % 2].tobytes() for k, lab in enumerate(labels))


def put_cifar10(folder: Path, *, test: bytes | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(1, 6):
        (folder / f"data_batch_{k}.bin").write_bytes(records((k,), (0,)))
    (folder / "test_batch.bin").write_bytes(records((9,), (3,)) if test is None else test)
    (folder / "batches.meta.txt").write_text("\n".join(f"name{k}" for k in range(10)) + "\n\n")
    return folder


def test_cifar10_binary(tmp_path: Path) -> None:
    put_cifar10(tmp_path / "cifar-10-batches-bin")
    for folder in (tmp_path, tmp_path / "cifar-10-batches-bin"):
        train, test = cifar10("train", folder=folder, check=False), cifar10("test", folder=folder, check=False)
        assert train.labels is not None
        assert test.labels is not None
        assert train.labels.tolist() == [1, 0, 2, 0, 3, 0, 4, 0, 5, 0]
        assert test.labels.tolist() == [9, 3]
        assert np.array_equal(test.images, PIXELS)
        assert test.class_names[9] == "name9"
        assert not set(train.ids) & set(test.ids)


def test_cifar100_has_fine_labels(tmp_path: Path) -> None:
    for split in ("train", "test"):
        (tmp_path / f"{split}.bin").write_bytes(records((19, 99), (1, 42)))
    s = cifar100("test", folder=tmp_path, check=False)
    assert s.labels is not None
    assert s.labels.tolist() == [99, 42]
    assert np.array_equal(s.images, PIXELS)
    assert s.num_classes == 100


@pytest.mark.parametrize("content", [b"", records((1,))[:-1], records((1,)) + b"\0", records((10,))])
def test_cifar_refuses_broken_records(tmp_path: Path, content: bytes) -> None:
    put_cifar10(tmp_path, test=content)
    with pytest.raises(InputError, match="fetch the file again"):
        cifar10("test", folder=tmp_path, check=False)


def test_cifar_refuses_pickles_with_advice(tmp_path: Path) -> None:
    for name, read in (("cifar-10-batches-py", cifar10), ("cifar-100-python", cifar100)):
        (tmp_path / name).mkdir()
        for file in ("data_batch_1", "test_batch", "train", "test", "meta"):
            (tmp_path / name / file).write_bytes(b"\x80\x04.")
        with pytest.raises(InputError, match=r"binary version.*pickles.*binary\.tar\.gz"):
            read("test", folder=tmp_path)


def test_cifar_archive(tmp_path: Path) -> None:
    inner = put_cifar10(tmp_path / "cifar-10-batches-bin")
    (tmp_path / "x").mkdir()
    with tarfile.open(tmp_path / "x" / "cifar-10-binary.tar.gz", "w:gz") as archive:
        archive.add(inner, "cifar-10-batches-bin")
        evil = tarfile.TarInfo("../../evil")
        evil.size = 4
        archive.addfile(evil, io.BytesIO(b"evil"))
    s = cifar10("test", folder=tmp_path / "x", check=False)
    assert np.array_equal(s.images, PIXELS)
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["cifar-10-binary.tar.gz"]
    with pytest.raises(InputError, match="MD5"):
        cifar10("test", folder=tmp_path / "x")
    (tmp_path / "x" / "cifar-10-binary.tar.gz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="archive"):
        cifar10("test", folder=tmp_path / "x", check=False)


HEADER = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\n"


def sign(path: Path, height: int, width: int) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(array).save(path)
    return array


@pytest.fixture
def signs(tmp_path: Path) -> Path:
    root = tmp_path / "GTSRB"
    for k in (0, 42):
        folder = root / "Final_Training" / "Images" / f"{k:05d}"
        for n in range(2):
            sign(folder / f"00000_0000{n}.ppm", 40, 36)
        lines = "".join(f"00000_0000{n}.ppm;36;40;2;3;33;36;{k}\n" for n in range(2))
        (folder / f"GT-{k:05d}.csv").write_text(HEADER + lines)
    sign(root / "Final_Test" / "Images" / "00000.ppm", 50, 60)
    (root / "Final_Test" / "Images" / "GT-final_test.test.csv").write_text("Filename;Width;Height\n00000.ppm;60;50\n")
    (tmp_path / "GT-final_test.csv").write_text(HEADER + "00000.ppm;60;50;10;5;41;36;7\n")
    return tmp_path


def test_gtsrb(signs: Path) -> None:
    train = gtsrb("train", folder=signs, check=False)
    assert train.labels is not None
    assert train.labels.tolist() == [0, 0, 42, 42]
    assert (train.input_shape, train.num_classes) == ((3, 32, 32), 43)
    test = gtsrb("test", folder=signs, crop=True, check=False)
    assert test.labels is not None
    assert test.labels.tolist() == [7]
    with Image.open(signs / "GTSRB" / "Final_Test" / "Images" / "00000.ppm") as image:
        box = np.asarray(image)[5:37, 10:42]  # 32 x 32, so that nothing is resized
        whole = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR))
    assert np.array_equal(test.images[0], box.transpose(2, 0, 1))
    assert np.array_equal(gtsrb("test", folder=signs, check=False).images[0], whole.transpose(2, 0, 1))


@pytest.mark.parametrize(
    "content",
    [
        "",
        "Filename;ClassId\n00000.ppm;7\n",
        HEADER + "../../GTSRB/Final_Test/Images/00000.ppm;60;50;10;5;41;36;7\n",
        HEADER + "/etc/passwd;60;50;10;5;41;36;7\n",
        HEADER + "00000.ppm;60;50;10;5;41;36;43\n",
        HEADER + "00000.ppm;60;50;10;5;41;36;-1\n",
        HEADER + "00000.ppm;60;50;10;5;41;36;seven\n",
        HEADER + "00000.ppm;60;50\n",
        HEADER + "00000.ppm;60;50;10;5;99;36;7\n",
        HEADER + "00001.ppm;60;50;10;5;41;36;7\n",
        HEADER,
    ],
)
def test_gtsrb_refuses_broken_lists(signs: Path, content: str) -> None:
    (signs / "GT-final_test.csv").write_text(content)
    with pytest.raises(InputError):
        gtsrb("test", folder=signs, crop=True, check=False)


def test_gtsrb_refuses_a_broken_image(signs: Path) -> None:
    path = signs / "GTSRB" / "Final_Training" / "Images" / "00042" / "00000_00001.ppm"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="1 broken"):
        gtsrb("train", folder=signs, check=False)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    root = tmp_path / "tiny-imagenet-200"
    for wnid in ("n02", "n01"):
        for n in range(2):
            sign(root / "train" / wnid / "images" / f"{wnid}_{n}.JPEG", 64, 64)
    sign(root / "val" / "images" / "val_1.JPEG", 64, 64)
    Image.new("L", (64, 64), 90).save(root / "val" / "images" / "val_0.JPEG")
    (root / "wnids.txt").write_text("n02\nn01\n")
    (root / "words.txt").write_text("n01\tcat, true cat\nn02\tdog\nn03\tcow\n")
    (root / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn01\t0\t0\t9\t9\nval_1.JPEG\tn02\t0\t0\t9\t9\n")
    return tmp_path


def test_tiny_imagenet(tiny: Path) -> None:
    train, val = tiny_imagenet("train", folder=tiny, check=False), tiny_imagenet("val", folder=tiny, check=False)
    assert train.labels is not None
    assert val.labels is not None
    assert train.labels.tolist() == [0, 0, 1, 1]
    assert val.labels.tolist() == [1, 0]
    assert train.class_names == val.class_names == ("dog", "cat")
    assert val.input_shape == (3, 64, 64)
    assert (val.images[0] == 90).all()
    with pytest.raises(InputError, match="never published"):
        tiny_imagenet("test", folder=tiny)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("wnids.txt", ""),
        ("wnids.txt", "n01\nn01\n"),
        ("val/val_annotations.txt", "../../x.JPEG\tn01\n"),
        ("val/val_annotations.txt", "val_0.JPEG\tn09\n"),
        ("val/val_annotations.txt", "val_9.JPEG\tn01\n"),
        ("val/val_annotations.txt", ""),
    ],
)
def test_tiny_imagenet_refuses_broken_lists(tiny: Path, file: str, content: str) -> None:
    (tiny / "tiny-imagenet-200" / file).write_text(content)
    with pytest.raises(InputError):
        tiny_imagenet("val", folder=tiny, check=False)


def test_imagenet_folder(tmp_path: Path) -> None:
    tall = sign(tmp_path / "b" / "tall.png", 40, 20)
    sign(tmp_path / "c" / "wide.png", 20, 40)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broken.jpeg").write_bytes(b"broken")
    read = imagenet_folder(tmp_path, size=(16, 16), resize=20)
    assert read.images.ids == ("b/tall.png", "c/wide.png")
    assert read.images.class_names == ("a", "b", "c")
    assert read.images.labels is not None
    assert read.images.labels.tolist() == [1, 2]
    assert np.array_equal(read.images.images[0], tall[12:28, 2:18].transpose(2, 0, 1))
    assert [path for path, _ in read.skipped] == ["a/broken.jpeg"]
    with pytest.raises(InputError):
        imagenet_folder(tmp_path / "a")


def test_absent_sets_are_named(tmp_path: Path) -> None:
    for read in (cifar10, cifar100, gtsrb, tiny_imagenet):
        with pytest.raises(DatasetNotFoundError, match="get it"):
            read("train", folder=tmp_path)
