"""Outside of the confined process: write splits of known data sets to files, because the confined process can't fetch them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from doldrum.data import is_dataset
from doldrum.files import write_whole

__all__ = ["as_file"]


def as_file(path: str | None, part: str, target: Path) -> str | None:
    """Return `path`. If `path` names a data set, return `target`: an .npz file with the split that the name gives, or else the split `part`. The file is made if it does not exist."""
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
