"""Outside of the confined process: write splits of known data sets to files, because the confined process can't fetch them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from doldrum.data import is_dataset
from doldrum.files import write_whole

__all__ = ["as_file"]


def as_file(path: str | None, part: str, target: Path) -> str | None:
    """Return `path` if it names no data set. If `path` names a data set, write one split of the data set to the .npz
    file `target`, and return the path of this file. `part` is the split to use if the name of the data set gives no
    split. If the file exists, it is used again."""
    if path is None or not is_dataset(path):
        return path
    if not target.exists():
        from doldrum.data import load_dataset

        found = load_dataset(path if ":" in path else f"{path}:{part}")

        def write(draft: Path) -> None:
            with draft.open("wb") as file:
                np.savez(file, images=found.images, labels=np.asarray(found.labels))

        write_whole(target, write)
    return str(target.resolve())
