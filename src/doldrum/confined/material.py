"""In the confined process: turn images into one array of the shape that the model takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doldrum.classifiers.base import Classifier
from doldrum.confined.job import Tell
from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.files import write_text_whole
from doldrum.intake import CollectedImages, Skipped, as_array, open_images, visible
from doldrum.suspects import Suspect

__all__ = [
    "Material",
    "fitted",
    "left_out",
    "listed",
    "open_material",
    "read_material",
    "same_images",
]


@dataclass(frozen=True, eq=False)
class Material:
    """Somebody else's images as an ImageSet without labels, and what is known about these images.

    `labels` holds each image's label as text, or None. `class_names` are the class names of a table. `skipped` lists
    the files that could not be used. `kind` is the file format of the images. `note` says how images were changed to
    fit the model's input; it is None if no image was changed. `numbered` says whether the labels are class numbers and
    not class names.
    """

    images: ImageSet
    labels: tuple[str | None, ...]
    class_names: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    kind: str
    note: str | None = None

    @property
    def numbered(self) -> bool:
        arrays = self.kind == "npz" or (self.kind == "Parquet" and not self.class_names)
        return arrays and all(name is None or (name.isascii() and name.isdigit()) for name in self.labels)


def open_material(
    path: str, target: Path, *, classifier: Classifier, resize: str, advance: Callable[[int], None]
) -> Material:
    """Read the images at `path` into an array in `target`, resized to the classifier's input size. The function
    `advance` is called once for each image that is read."""
    source = open_images(path)

    def counted() -> Iterator[Any]:
        for item in source:
            advance(1)
            yield item

    found: CollectedImages = as_array(counted(), target, shape=classifier.input_shape, resize=resize)  # pyright: ignore[reportArgumentType]
    names = tuple(source.class_names)
    return Material(ImageSet(found.images, ids=found.ids), found.labels, names, found.skipped, source.kind, found.note)


def read_material(
    path: str,
    what: str,
    folder: Path,
    opened: Suspect,
    settings: dict[str, Any],
    tell: Tell,
    *,
    called: str | None = None,
) -> Material:
    """Read images with `open_material` into a file in `folder`, and report the progress. The file's name is `what` with
    the ending .npy, for example clean.npy.

    If InputError is raised, its message begins with `called`, a name for these images. By default, this name is `what`
    written as an option, for example --clean.
    """
    tell({"stage": what})
    waiting = [0]

    def advance(count: int) -> None:
        waiting[0] += count
        if waiting[0] >= 50:
            tell({"done": waiting[0]})
            waiting[0] = 0

    target = folder / f"{what}.npy"
    who = f"--{what}" if called is None else called
    try:
        made = open_material(path, target, classifier=opened.classifier, resize=settings["resize"], advance=advance)
    except InputError as error:
        name, why = visible(path), str(error)
        raise InputError(f"{who} {why}" if why.startswith(name) else f"{who} {name}: {why}") from error
    if made.note is not None:
        tell({"say": f"note: {who}: {made.note}"})
    return made


def left_out(clean: Material) -> list[str]:
    """Return a list with one sentence about the clean files that could not be used; an empty list if all files could be
    used."""
    if not clean.skipped:
        return []
    first, count = clean.skipped[0], len(clean.skipped)
    which = f"{first.id}: {first.why}" if count == 1 else f"the first {first.id}: {first.why}"
    return [
        f"{count:,} of the {count + len(clean.images):,} files given as clean {'was' if count == 1 else 'were'} skipped, {which}."
    ]


def fitted(**materials: Material | None) -> list[str]:
    """Sentences for the record about images whose size or colour had to be changed: one sentence for each set with such
    images."""
    return [
        f"{name.capitalize()} images: {one.note}."
        for name, one in materials.items()
        if one is not None and one.note is not None
    ]


def listed(skipped: Sequence[Skipped], *, most: int) -> dict[str, Any]:
    """Return {skipped, unlisted}: a list of the first `most` files that could not be used, and the number of unusable
    files that are not in this list."""
    return {
        "skipped": [{"id": one.id, "why": one.why} for one in skipped[:most]],
        "unlisted": max(0, len(skipped) - most),
    }


def same_images(folder: Path, material: Material, clean: Material | None) -> None:
    """Raise InputError if an interrupted run is continued with other images than before."""
    digest = hashlib.sha256()
    for one in (material, clean):
        if one is not None:
            digest.update(json.dumps([one.images.content_hash(), list(one.images.ids), list(one.labels)]).encode())
    path, found = folder / "images.sha256", digest.hexdigest()
    if path.exists() and path.read_text(encoding="utf-8").strip() != found:
        raise InputError(
            "expected the images that this run began with, got images that differ in pixels, names or labels; name another folder with --out"
        )
    write_text_whole(path, found)
