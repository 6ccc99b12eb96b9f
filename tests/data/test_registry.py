"""Data sets by name; read_images for each kind of source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from doldrum.data import DATASETS, dataset_status, digits, load_dataset, read_images
from doldrum.data.sets import fashion, textures
from doldrum.errors import DatasetNotFoundError, InputError


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without data sets."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DOLDRUM_DATA", raising=False)
    for debian in (fashion, textures):
        monkeypatch.setattr(debian, "_DEBIAN", tmp_path / "debian")
    return tmp_path


def test_status_when_nothing_is_there(nothing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {s.name: s for s in dataset_status()}
    assert list(rows) == list(DATASETS)
    for name, row in rows.items():
        assert row.how_to_get
        assert row.splits
        if name != "digits":
            assert row.location is None
    for place in ("x" * 5000, "/proc/self/mem", "\n"):
        monkeypatch.setenv("DOLDRUM_DATA", place)
        monkeypatch.setenv("XDG_CACHE_HOME", place)
        assert all(s.location is None for s in dataset_status() if s.name != "digits")


@pytest.mark.parametrize("name", [n for n in DATASETS if n != "digits"])
def test_absent_sets_say_how_to_get_them(nothing: Path, name: str) -> None:
    for split in DATASETS[name].splits:
        with pytest.raises(DatasetNotFoundError, match="get it") as caught:
            load_dataset(f"{name}:{split}")
        assert DATASETS[name].how_to_get in str(caught.value)


@pytest.mark.parametrize("spec", ["mnist", "", "digits:validation", "Digits", "digits:test:3"])
def test_unknown_names(spec: str) -> None:
    with pytest.raises(InputError, match=r"expected a (data set|split) among"):
        load_dataset(spec)


def test_digits() -> None:
    train, test = digits("train"), digits("test")
    assert len(train) + len(test) == 1797
    assert not set(train.ids) & set(test.ids)
    assert test.labels is not None
    assert train.labels is not None
    whole = np.bincount(train.labels) + np.bincount(test.labels)
    assert np.abs(np.bincount(test.labels) - whole / 5).max() <= 0.5
    assert (test.images.min(), test.images.max()) == (0, 255)
    assert load_dataset("digits").content_hash() == digits("test").content_hash()
    with pytest.raises(InputError, match="split"):
        digits("all")


def test_read_images_of_each_kind(tmp_path: Path) -> None:
    grey = np.full((8, 8), 9, np.uint8)
    (tmp_path / "folder").mkdir()
    Image.fromarray(grey).save(tmp_path / "folder" / "a.png")
    np.save(tmp_path / "a.npy", grey[None])
    np.savez(tmp_path / "a.NPZ.npz", x=grey[None])
    for source in ("folder", "folder/a.png", "a.npy", "a.NPZ.npz"):
        read = read_images(tmp_path / source, channels=1, size=(8, 8))
        assert np.array_equal(read.images.images, grey[None, None]), source
        assert read.skipped == ()
    assert read_images("digits:test").images.name == "digits:test"


@pytest.mark.parametrize("source", ["", "gone", "gone.npy", "gone.png", "x" * 5000, "mnist:test"])
def test_read_images_of_nothing(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="expected"):
        read_images(source)
