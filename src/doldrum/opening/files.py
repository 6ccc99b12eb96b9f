"""The files of a model: their hash, and the list of those that the confined process may read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from doldrum.suspects.beside import weights_beside

if TYPE_CHECKING:
    from doldrum.opening.settings import ModelSettings

__all__ = ["beside", "digest_of", "readable"]


def readable(settings: ModelSettings) -> list[str]:
    """The paths that the confined process may read: the model's file or folder, the weights next to it, and the list of class names."""
    paths = [] if settings.labels is None else [settings.labels]
    if not settings.remote:
        paths += [str(settings.path), *(str(path) for path in beside(settings.path))]
    return [str(Path(path).resolve()) for path in paths]


def beside(model: Path) -> list[Path]:
    """The files in the model's folder that contain its weights (:func:`doldrum.suspects.beside.weights_beside`), without links."""
    named = [model.parent / name for name in weights_beside(model)]
    return [path for path in named if path.is_file() and not path.is_symlink() and path != model]


def digest_of(path: Path) -> str:
    """The SHA-256 hash of a model: of its file and the weights next to this file.

    For a folder, the names and hashes of all files in the folder are hashed, in the order of the names.
    """
    if path.is_file():
        parts = [_sha256(path), *(_sha256(other) for other in beside(path))]
        return parts[0] if len(parts) == 1 else hashlib.sha256(" ".join(parts).encode()).hexdigest()
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{_sha256(file)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
