"""Every kind of source gives the same pictures, in order, with their classes."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from doldrum.errors import InputError
from doldrum.intake import ImageLimits, Picture, Skipped, as_array, open_images

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (4, 6, 5, 3), dtype=np.uint8)
NAMES = ("cat/1.png", "cat/2.png", "dog/1.png", "dog/3.png")
LABELS = ["cat", "cat", "dog", "dog"]


def png(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **options)
    return file.getvalue()


def a_folder(where: Path) -> Path:
    for name, pixels in zip(NAMES, PIXELS, strict=True):
        (where / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (where / "x" / name).write_bytes(png(pixels))
    return where / "x"


def a_zip(where: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(where / "x.zip", "w", method) as archive:
        for name, pixels in zip(NAMES, PIXELS, strict=True):
            archive.writestr(name, png(pixels))
    return where / "x.zip"


def a_tar(where: Path, mode: Any = "w", form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(where / "x.tar", mode, format=form) as archive:
        for name, pixels in zip(NAMES, PIXELS, strict=True):
            add(archive, name, png(pixels))
    return where / "x.tar"


def add(archive: tarfile.TarFile, name: str, data: bytes, **fields: object) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(data))


def a_zst(where: Path) -> Path:
    with pa.CompressedOutputStream(str(where / "x.tar.zst"), "zstd") as file:
        file.write(a_tar(where).read_bytes())
    return where / "x.tar.zst"


def a_webdataset(where: Path) -> Path:
    with tarfile.open(where / "x.tar", "w") as archive:
        for i, (label, pixels) in enumerate(zip(LABELS, PIXELS, strict=True)):
            add(archive, f"shard/{i:04}.cls", label.encode() + b"\n")
            add(archive, f"shard/{i:04}.pyd", b"\x80\x04cos\nsystem\n")
            add(archive, f"shard/{i:04}.seg.png", png(pixels))
            add(archive, f"shard/{i:04}.json", b"{}")
    return where / "x.tar"


def a_parquet(where: Path, *, names: bool = True, nested: bool = True) -> Path:
    cells = [{"bytes": png(p), "path": None} for p in PIXELS] if nested else [png(p) for p in PIXELS]
    table = pa.table({"label": [0, 0, 1, 1], "image": cells})
    if names:
        features = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(features)})
    pq.write_table(table, where / "x.parquet", row_group_size=3)
    return where / "x.parquet"


def an_npz(where: Path, save: Callable = np.savez) -> Path:
    save(where / "x.npz", images=PIXELS, labels=np.array(LABELS))
    return where / "x.npz"


KINDS: dict[str, Callable[[Path], Path]] = {
    "folder": a_folder,
    "zip": a_zip,
    "zip stored": lambda where: a_zip(where, zipfile.ZIP_STORED),
    "zip bzip2": lambda where: a_zip(where, zipfile.ZIP_BZIP2),
    "tar pax": a_tar,
    "tar gnu": lambda where: a_tar(where, form=tarfile.GNU_FORMAT),
    "tar ustar": lambda where: a_tar(where, form=tarfile.USTAR_FORMAT),
    "tar gz": lambda where: a_tar(where, "w:gz"),
    "tar bz2": lambda where: a_tar(where, "w:bz2"),
    "tar xz": lambda where: a_tar(where, "w:xz"),
    "tar zst": a_zst,
    "webdataset": a_webdataset,
    "parquet": a_parquet,
    "npz": an_npz,
    "npz compressed": lambda where: an_npz(where, np.savez_compressed),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_pictures(tmp_path: Path, kind: str) -> None:
    source = open_images(KINDS[kind](tmp_path))
    for _ in range(2):  # a source can be read again
        items = list(source)
        assert all(isinstance(item, Picture) for item in items), items
        assert [item.label for item in items if isinstance(item, Picture)] == LABELS
        assert np.array_equal(np.stack([i.pixels for i in items if isinstance(i, Picture)]), PIXELS)
        assert len({item.id for item in items}) == 4
    if kind.split()[0] in ("folder", "zip", "tar"):
        assert tuple(item.id for item in items) == NAMES


def test_one_image(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(png(PIXELS[0]))  # its suffix lies, its bytes don't
    (item,) = open_images(tmp_path / "a.jpg")
    assert isinstance(item, Picture)
    assert (item.id, item.label) == ("a.jpg", None)
    assert np.array_equal(item.pixels, PIXELS[0])


@pytest.mark.parametrize(
    "array",
    [
        PIXELS,
        PIXELS.transpose(0, 3, 1, 2),
        PIXELS.astype(np.uint16) * 257,
        PIXELS.astype(np.float32) / 255,
        PIXELS.astype(np.float64) / 255,
    ],
    ids=["HWC", "CHW", "16 bit", "float32", "float64"],
)
def test_npy(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "x.npy", array)
    items = list(open_images(tmp_path / "x.npy"))
    assert [item.id for item in items] == ["000000", "000001", "000002", "000003"]
    assert np.array_equal(np.stack([i.pixels for i in items if isinstance(i, Picture)]), PIXELS)


def test_grey_is_repeated_and_serves_a_grey_model(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", PIXELS[..., 0])
    source = open_images(tmp_path / "x.npy")
    assert all(np.array_equal(i.pixels, np.repeat(p[..., :1], 3, 2)) for i, p in zip(source, PIXELS, strict=True))  # pyright: ignore
    made = as_array(source, tmp_path / "out.npy", shape=(1, 6, 5))
    assert np.array_equal(np.load(tmp_path / "out.npy"), PIXELS[..., 0][:, None])
    assert np.array_equal(made.images, PIXELS[..., 0][:, None])


@pytest.mark.parametrize("packed", [False, True])
def test_idx(tmp_path: Path, packed: bool) -> None:
    data = struct.pack(">4B3I", 0, 0, 8, 3, 4, 6, 5) + PIXELS[..., 0].tobytes()
    (tmp_path / "x").write_bytes(gzip.compress(data) if packed else data)
    items = list(open_images(tmp_path / "x"))
    assert np.array_equal(np.stack([i.pixels[..., 0] for i in items if isinstance(i, Picture)]), PIXELS[..., 0])


def test_names_of_classes_come_from_the_table(tmp_path: Path) -> None:
    assert open_images(a_parquet(tmp_path)).class_names == ("cat", "dog")
    source = open_images(a_parquet(tmp_path, names=False, nested=False))
    assert source.class_names == ()
    assert [item.label for item in source if isinstance(item, Picture)] == ["0", "0", "1", "1"]


def test_archives_in_a_folder_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for make in (a_parquet, a_tar, a_zip, an_npz):
        make(folder)
    source = open_images(folder)
    items = list(source)
    assert [i.label for i in items if isinstance(i, Picture)] == LABELS * 4
    assert [i.id for i in items][:4] == [f"x.npz/{i:06}" for i in range(4)]
    assert [i.id for i in items][8:12] == [f"x.tar/{name}" for name in NAMES]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_and_odd_names_in_a_tar(tmp_path: Path, form: int) -> None:
    names = ["d" * 90 + "/" + "e" * 150 + ".png", "gr\u00fcn/\u4e2d.png", "a\nb/c.png", "\udcff/d.png"]
    with tarfile.open(tmp_path / "x.tar", "w", format=form, errors="surrogateescape") as archive:
        for name in names:
            add(archive, name, png(PIXELS[0]))
    ids = [item.id for item in open_images(tmp_path / "x.tar")]
    assert ids == [names[0], names[1], "a\\nb/c.png", "\\xff/d.png"]


def test_a_tar_of_the_standard_librarys_reader(tmp_path: Path) -> None:
    """Every kind of entry: the standard library says what is there."""
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        add(archive, "1.png", png(PIXELS[0]))
        add(archive, "folder", b"", type=tarfile.DIRTYPE)
        add(archive, "link.png", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(archive, "hard.png", b"", type=tarfile.LNKTYPE, linkname="1.png")
        add(archive, "pipe.png", b"", type=tarfile.FIFOTYPE)
        add(archive, "device.png", b"", type=tarfile.CHRTYPE)
        add(archive, "old.png", png(PIXELS[1]), type=tarfile.AREGTYPE)
        add(archive, "big.bin", b"x" * 5000)
        add(archive, "2.png", png(PIXELS[2]))
    items = list(open_images(tmp_path / "x.tar", limits=ImageLimits(member_bytes=4000)))
    with tarfile.open(tmp_path / "x.tar") as archive:
        assert [item.id for item in items] == [m.name for m in archive.getmembers() if not m.isdir()]
    skipped = {item.id: item.why for item in items if isinstance(item, Skipped)}
    assert set(skipped) == {"link.png", "hard.png", "pipe.png", "device.png", "big.bin"}
    assert "a symbolic link, which is not followed" in skipped["link.png"]
    assert "at most 4000 bytes, got 5000" in skipped["big.bin"]


def test_entries_with_one_name_have_their_own_ids(tmp_path: Path) -> None:
    with warnings.catch_warnings(), zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        warnings.simplefilter("ignore")  # duplicate names are what is wanted
        for name in ("a (2).png", "a.png", "a.png", "a.png (2)", "a.png"):
            archive.writestr(name, png(PIXELS[0]))
    ids = [item.id for item in open_images(tmp_path / "x.zip")]
    assert ids == ["a (2).png", "a.png", "a.png (2)", "a.png (2) (2)", "a.png (3)"]


def test_many_entries_stop_at_the_limit(tmp_path: Path) -> None:
    items = list(open_images(a_zip(tmp_path), limits=ImageLimits(members=3)))
    assert [type(item) for item in items] == [Picture, Picture, Picture, Skipped]
    assert items[-1] == Skipped("x.zip: the rest", "expected at most 3 entries, got more; split the source")


def test_what_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing there"):
        open_images(tmp_path / "gone")
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(InputError, match=r"x\.txt: expected images .*got other bytes"):
        open_images(tmp_path / "x.txt")
    with pytest.raises(InputError, match="at least 1"):
        ImageLimits(pixels=0)
