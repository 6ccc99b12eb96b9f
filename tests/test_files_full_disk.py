"""A full disk: the error names the file, the old file stays, no draft is left, and a memory-mapped file has its space."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from doldrum.files import new_array, write_whole


def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "x.txt"
    target.write_text("old")

    def full(draft: Path) -> None:
        draft.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match=r"expected space on the disk.* free some .*x\.txt") as caught:
        write_whole(target, full)
    assert caught.value.errno == errno.ENOSPC
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"x.txt": "old"}


def test_a_new_array_has_its_space_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doldrum.files._BLOCK", 1000)
    for name in ("reserved", "written"):
        new_array(tmp_path / name, shape=(7, 9, 1000), dtype=np.uint8)[6] = 5
        assert os.stat(tmp_path / name).st_blocks * 512 >= 63_000
        found = np.load(tmp_path / name)
        assert found.shape == (7, 9, 1000)
        assert (found[6] == 5).all()
        assert not found[:6].any()
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
