"""A model's files: their hash, and which of them the confined process may read."""

from __future__ import annotations

import hashlib
import mmap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from doldrum.opening.settings import ModelSettings

__all__ = ["beside", "digest_of", "readable"]

_MOST_SEARCHED = 256 << 20  # bytes of a model that keeps its weights in other files: it is small itself


def readable(settings: ModelSettings) -> list[str]:
    """The paths that a confined process reads to open the model: its file or folder, the weights beside it, the list of class names."""
    paths = [] if settings.labels is None else [settings.labels]
    if not settings.remote:
        model = Path(settings.model)
        paths += [settings.model, *(str(path) for path in beside(model))]
    return [str(Path(path).resolve()) for path in paths]


def beside(model: Path) -> list[Path]:
    """Files in the model's folder that its own bytes name: ONNX keeps large weights there. OpenVINO's .bin has the model's own name."""
    if not model.is_file():
        return []
    found = [path for path in (model.with_suffix(".bin"),) if path != model and _is_plain(path)]
    if 0 < model.stat().st_size <= _MOST_SEARCHED:
        others = [p for p in sorted(model.parent.iterdir()) if p != model and p not in found and _is_plain(p)]
        with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found += [p for p in others[:1000] if data.find(p.name.encode("utf-8", "surrogateescape")) >= 0]
    return found


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def digest_of(path: Path) -> str:
    """SHA-256 of a file's bytes, with those of the weights beside it; of a folder, of its files' names and hashes in order."""
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
