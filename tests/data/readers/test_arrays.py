"""Arrays on disk, good and hostile."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from doldrum.data import read_array, read_images
from doldrum.data.readers import arrays
from doldrum.errors import InputError

IMAGES = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4)


class Mine:
    """Unpickled, it would leave a mark."""

    ran = False

    def __reduce__(self) -> tuple:
        return setattr, (Mine, "ran", True)


def npy(array: np.ndarray, **options: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def test_npy_is_memory_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IMAGES)
    images = read_images(tmp_path / "a.npy").images.images
    assert isinstance(images.base, np.memmap) or isinstance(images, np.memmap)
    assert np.array_equal(images, IMAGES[:, None])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(("x", "y"), [("images", "labels"), ("x", "y"), ("x_test", "y_test"), ("arr_0", "arr_1")])
def test_npz_with_uint8_images(tmp_path: Path, save, x: str, y: str) -> None:
    save(tmp_path / "a.npz", **{x: IMAGES, y: np.array([[2], [0], [1]], np.uint8)})
    s = read_images(str(tmp_path / "a.npz"), channels=1, size=(4, 4)).images
    assert np.array_equal(s.images, IMAGES[:, None])
    assert s.labels is not None
    assert s.labels.tolist() == [2, 0, 1]
    assert s.name == "a.npz"


def test_npz_without_labels_or_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", IMAGES)
    assert read_array(tmp_path / "a.npz").labels is None
    np.savez(tmp_path / "b.npz", weights=IMAGES)
    with pytest.raises(InputError, match=r"named images.*'weights'"):
        read_array(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", images=IMAGES, labels=np.eye(3, dtype=int))
    with pytest.raises(InputError, match=r"expected 3 labels, got shape \(3, 3\)"):
        read_array(tmp_path / "c.npz")


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return file.getvalue()


def damaged(content: bytes) -> bytes:
    """A zip whose packed data is wrong."""
    at = content.index(b"images.npy") + len(b"images.npy")
    return content[:at] + b"\xff" * 20 + content[at + 20 :]


HEADER = npy(np.zeros((1, 2, 2), np.uint8))
BROKEN: dict[str, tuple[str, bytes]] = {
    "empty": ("npy", b""),
    "text": ("npy", b"hello"),
    "empty zip": ("npz", b""),
    "zip of nothing": ("npz", zipped()),
    "object array": ("npy", npy(np.array([Mine()], object), allow_pickle=True)),
    "pickle": ("npy", pickle.dumps(Mine())),
    "pickle as npz": ("npz", pickle.dumps(Mine())),
    "object array in npz": ("npz", zipped(images__npy=npy(np.array([Mine()], object), allow_pickle=True))),
    "object labels": (
        "npz",
        zipped(images__npy=npy(IMAGES), labels__npy=npy(np.array([Mine()] * 3, object), allow_pickle=True)),
    ),
    "zip under npy": ("npy", zipped(images__npy=npy(IMAGES))),
    "truncated": ("npy", npy(IMAGES)[:-1]),
    "truncated header": ("npy", npy(IMAGES)[:40]),
    "truncated in npz": ("npz", zipped(images__npy=npy(IMAGES)[:-1])),
    "truncated npz": ("npz", zipped(images__npy=npy(IMAGES))[:-30]),
    "damaged": ("npz", damaged(zipped(images__npy=npy(np.random.default_rng(0).random((3, 9, 9)))))),
    "no array": ("npz", zipped(images=b"bytes")),
    "claims much": ("npz", zipped(images__npy=HEADER.replace(b"(1, 2, 2)", b"(9999999999999, 999, 999)"))),
    "hostile header": ("npy", HEADER.replace(b"(1, 2, 2)", b"__import__")),
    "0 by 0": ("npy", npy(np.zeros((2, 0, 0), np.uint8))),
    "0 by 0 in npz": ("npz", zipped(images__npy=npy(np.zeros((2, 0, 0), np.uint8)))),
    "no image": ("npy", npy(np.zeros((0, 4, 4), np.uint8))),
    "NaN": ("npy", npy(np.full((2, 4, 4), np.nan))),
    "0 to 255 as floats": ("npz", zipped(images__npy=npy(IMAGES * 5.0))),
    "strings": ("npy", npy(np.array(["a", "b"]))),
    "numbers": ("npy", npy(IMAGES.astype(np.int64))),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_arrays_are_refused_and_nothing_is_unpickled(tmp_path: Path, what: str) -> None:
    suffix, content = BROKEN[what]
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"expected .*, got") as caught:
        read_images(path, channels=1, size=(28, 28))
    assert str(path) in str(caught.value)
    assert not Mine.ran


@pytest.mark.parametrize("member", ["images__npy", "images"])
def test_a_bomb_is_refused_by_its_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: str) -> None:
    monkeypatch.setattr(arrays, "_LARGEST", 10_000)
    (tmp_path / "a.npz").write_bytes(zipped(**{member: npy(np.zeros((2, 100, 100), np.uint8))}))
    with pytest.raises(InputError, match="at most 10000 bytes"):
        read_array(tmp_path / "a.npz")


def test_absent(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not there"):
        read_array(tmp_path / "a.npy")


def test_damage_anywhere_gives_our_error_or_images(tmp_path: Path) -> None:
    whole = {"npy": npy(IMAGES), "npz": zipped(images__npy=npy(IMAGES), labels__npy=npy(np.arange(3)))}
    rng = np.random.default_rng(0)
    for suffix, content in whole.items():
        for k in range(150):
            data = bytearray(content)
            for at in rng.integers(0, len(data), 2):
                data[at] = rng.integers(256)
            path = tmp_path / f"{k}.{suffix}"
            path.write_bytes(data)
            try:
                read_array(path)
            except InputError:
                continue


@pytest.mark.parametrize("content", [npy(IMAGES)[:-5], npy(IMAGES).replace(b"(3, 4, 4)", b"(9999999, 4, 4)")[:-5]])
def test_a_file_that_is_cut_off_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(
        InputError, match=r"a\.npy: expected as many values .* which is too short: fetch or save it again$"
    ):
        read_array(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_pickled_objects_are_named_as_what_they_are(tmp_path: Path, name: str) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    if name == "a.npy":
        np.save(tmp_path / name, objects, allow_pickle=True)
    else:
        np.savez(tmp_path / name, images=objects)
    with pytest.raises(InputError, match=r"got pickled objects, which are never loaded; save numbers$"):
        read_array(tmp_path / name)


@pytest.mark.parametrize("dtype", [bool, np.int64])
def test_other_types_say_what_to_make_of_them(tmp_path: Path, dtype: type) -> None:
    np.save(tmp_path / "a.npy", IMAGES.astype(dtype))
    with pytest.raises(InputError, match=r"; convert the pixels to uint8, or to floats in \[0, 1\]$"):
        read_array(tmp_path / "a.npy")
