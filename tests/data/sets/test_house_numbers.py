"""SVHN in small MATLAB files made here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from doldrum.data import DATASETS, svhn
from doldrum.errors import DatasetNotFoundError, InputError

X = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
Y = np.array([[10], [1], [9], [10]], np.uint8)


def put(folder: Path, split: str = "test", *, compress: bool = True, **change: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {k: v for k, v in {"X": X, "y": Y, **change}.items() if v is not None}
    savemat(folder / f"{split}_32x32.mat", arrays, do_compression=compress)
    return folder / f"{split}_32x32.mat"


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("split", ["train", "test", "extra"])
def test_images_and_labels(tmp_path: Path, split: str, compress: bool) -> None:
    put(tmp_path, split, compress=compress)
    s = svhn(split, folder=tmp_path, check=False)
    assert s.input_shape == (3, 32, 32)
    assert all(np.array_equal(s.images[i], X[..., i].transpose(2, 0, 1)) for i in range(4))
    assert s.labels is not None
    assert s.labels.tolist() == [0, 1, 9, 0]
    assert s.num_classes == 10
    assert s.ids[3] == f"svhn:{split}/3"


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DOLDRUM_DATA", str(tmp_path / "data"))
    assert DATASETS["svhn"].locate() is None
    with pytest.raises(DatasetNotFoundError, match=r"test_32x32\.mat.*housenumbers"):
        svhn("test")
    put(tmp_path / "data" / "svhn", "test")
    assert len(svhn("test", check=False)) == 4
    with pytest.raises(InputError, match="MD5"):
        svhn("test")
    with pytest.raises(DatasetNotFoundError, match="train_32x32"):
        svhn("train")
    put(tmp_path / "data" / "svhn", "train")
    assert DATASETS["svhn"].locate() == str(tmp_path / "data" / "svhn")
    with pytest.raises(InputError, match="split"):
        svhn("val")


BAD: list[tuple[dict[str, Any], str]] = [
    ({"X": None}, "expected an array X"),
    ({"y": None}, "expected an array y"),
    ({"y": Y[:3]}, "expected an array y"),
    ({"y": Y + 1}, "1 to 10"),
    ({"y": np.array([[1.5], [1], [1], [1]])}, "1 to 10"),
    ({"X": X.astype(float)}, "uint8"),
    ({"X": X[:16]}, "expected an array X"),
    ({"X": X[..., :0]}, "expected an array X"),
    ({"X": "text"}, "expected an array X"),
    ({"y": np.array(["a", "b", "c", "d"], object)}, "expected an array y"),
    ({"y": Y.astype(np.int32)}, r"y \(4, 1\) of uint8 or double .* of int32"),
]


@pytest.mark.parametrize(("change", "why"), BAD)
def test_other_contents(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    put(tmp_path, **change)
    with pytest.raises(InputError, match=why):
        svhn("test", folder=tmp_path, check=False)


def test_a_large_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path)
    monkeypatch.setattr(sys.modules[svhn.__module__], "_MOST_IMAGES", 3)
    with pytest.raises(InputError, match="expected an array X"):
        svhn("test", folder=tmp_path, check=False)


def test_more_than_the_memory_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path)
    monkeypatch.setattr(sys.modules[svhn.__module__], "fits_in_memory", lambda size: size < 2 * X.size)
    with pytest.raises(InputError, match="memory for two copies of 4 images"):
        svhn("test", folder=tmp_path, check=False)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n", "7.3"),
        (b"\x89HDF\r\n\x1a\n".ljust(600), "fetch the file again"),
        (b"", "fetch the file again"),
        (b"hello", "fetch the file again"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "test_32x32.mat").write_bytes(content)
    with pytest.raises(InputError, match=why):
        svhn("test", folder=tmp_path, check=False)


@pytest.mark.parametrize("compress", [True, False])
def test_damage_gives_our_error_or_images(tmp_path: Path, compress: bool) -> None:
    path = put(tmp_path, compress=compress)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for k in range(60):
        data = bytearray(whole if k % 3 else whole[: rng.integers(len(whole))])
        for at in rng.integers(0, min(len(data), 400) or 1, 2):
            data[at : at + 1] = bytes([rng.integers(256)])
        path.write_bytes(data)
        try:
            svhn("test", folder=tmp_path, check=False)
        except InputError:
            continue
