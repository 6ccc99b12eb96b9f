"""In the confined process: open the model, and turn images into one array of the shape that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.intake import CollectedImages, Skipped, as_array, open_images

__all__ = ["Material", "Opened", "open_material", "open_suspect"]


@dataclass(frozen=True)
class Opened:
    """A model under audit: its Classifier, and what its files say."""

    classifier: Classifier
    format: str
    preprocessing: dict[str, Any] | None
    class_names: tuple[str, ...] | None
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Material:
    """Images under audit as an ImageSet without labels, the class's name of each or None, the names of a table's classes,
    and what was skipped."""

    images: ImageSet
    labels: tuple[str | None, ...]
    class_names: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def open_suspect(job: dict[str, Any]) -> Opened:
    """The model of an audit's settings."""
    path = Path(job["model"])
    notes: tuple[str, ...] = ()
    if path.suffix.lower() == ".onnx":
        from doldrum.classifiers import as_classifier

        kind = "ONNX"
        classifier = as_classifier(path, num_classes=job["num_classes"], outputs=job["outputs"] or "logits")
    elif path.suffix.lower() == ".safetensors":
        from doldrum.training import load_checkpoint

        kind, classifier = "doldrum checkpoint", load_checkpoint(path)
    else:
        raise InputError(f"expected an .onnx file or a checkpoint of doldrum's, got {path.name}; export it to ONNX")
    return Opened(classifier, kind, None, _class_names(job["labels"], classifier.num_classes), notes)


def open_material(
    path: str, target: Path, *, classifier: Classifier, resize: str, advance: Callable[[int], None]
) -> Material:
    """Images at `path` as an array in `target`, resized to what the classifier takes; `advance` hears of each item."""
    source = open_images(path)

    def counted() -> Iterator[Any]:
        for item in source:
            advance(1)
            yield item

    found: CollectedImages = as_array(counted(), target, shape=classifier.input_shape, resize=resize)  # pyright: ignore[reportArgumentType]
    return Material(ImageSet(found.images, ids=found.ids), found.labels, tuple(source.class_names), found.skipped)


def _class_names(path: str | None, num_classes: int) -> tuple[str, ...] | None:
    """The lines of --labels, one a class."""
    if path is None:
        return None
    with open(path, "rb") as file:
        data = file.read((1 << 22) + 1)
    try:
        names = [line.strip() for line in data.decode("utf-8").splitlines()]
    except UnicodeDecodeError as error:
        raise InputError(f"expected --labels as UTF-8 text, got {error}; one class's name a line") from error
    while names and not names[-1]:
        names.pop()
    if len(names) != num_classes or len(data) > 1 << 22:
        raise InputError(f"expected {num_classes} lines in --labels, one a class of the model, got {len(names)}")
    return tuple(names)
