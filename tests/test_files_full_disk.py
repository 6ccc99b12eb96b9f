"""A full disk: the error names the file, the old file stays, no draft is left."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from doldrum.files import write_whole


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
