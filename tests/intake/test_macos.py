"""What macOS puts beside images is left out, with one word of it."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from doldrum.intake import Picture, Skipped, as_array, open_images

APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(100)


def png() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), 9, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


FILES = {
    "pictures/cat/1.png": png(), "pictures/cat/._1.png": APPLE_DOUBLE, "pictures/.DS_Store": b"\0\0\0\1Bud1", "pictures/dog/2.png": png(),
    "__MACOSX/pictures/cat/._1.png": APPLE_DOUBLE, "__MACOSX/pictures/dog/3.png": png(), "__MACOSX/._pictures": APPLE_DOUBLE,
}  # fmt: skip


def _folder(root: Path) -> Path:
    for name, data in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def _zip(root: Path) -> Path:
    with zipfile.ZipFile(root / "a.zip", "w") as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    return root / "a.zip"


def _tar(root: Path) -> Path:
    with tarfile.open(root / "a.tar", "w") as archive:
        for name, data in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return root / "a.tar"


@pytest.mark.parametrize("make", [_folder, _zip, _tar])
def test_only_the_pictures_are_read(tmp_path: Path, make) -> None:
    made = as_array(open_images(make(tmp_path)), tmp_path.parent / f"{tmp_path.name}.npy", shape=(3, 4, 4))
    assert (made.ids, made.labels) == (("pictures/cat/1.png", "pictures/dog/2.png"), ("cat", "dog"))
    assert [s.id for s in made.skipped] == ["__MACOSX"]
    assert "got 5 entries that macOS adds" in made.skipped[0].why


def test_an_archive_in_a_folder_too_and_nothing_is_said_where_there_is_nothing(tmp_path: Path) -> None:
    _zip(tmp_path)
    items = list(open_images(tmp_path))
    assert [i.id for i in items if isinstance(i, Picture)] == ["a.zip/pictures/cat/1.png", "a.zip/pictures/dog/2.png"]
    assert [i.id for i in items if isinstance(i, Skipped)] == ["__MACOSX"]
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "DS_Store.png").write_bytes(png())
    assert [type(i) for i in open_images(tmp_path / "plain")] == [Picture]
