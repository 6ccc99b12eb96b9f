"""Emoji by category: a data set of real colour images, 32 x 32, from two npm packages with sprite sheets (many drawings on one picture).

The drawings are Google's Noto images (Apache 2.0) and Twitter's Twemoji (CC BY 4.0), from the packages
emoji-datasource-google and emoji-datasource-twitter (version 16.0.0; MIT).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doldrum.data.imageset import ImageSet
from doldrum.data.places import candidate_folders
from doldrum.data.sets.emoji_bases import base_of
from doldrum.errors import DatasetNotFoundError, InputError
from doldrum.seeds import rng

__all__ = ["CLASS_NAMES", "FINE_NAMES", "HOW_TO_GET", "PLACEMENTS", "VENDORS", "emoji", "locate", "placed"]

VENDORS = ("google", "twitter")
CLASS_NAMES = ("face", "person", "hand", "thing", "symbol", "flag")
"""Six classes that a small network can learn to distinguish."""
FINE_NAMES = ("face", "person", "hand", "animal", "food", "place", "object", "symbol", "flag")
"""Nine classes: the six of CLASS_NAMES, with "thing" split into animal, food, place and object.

The four new classes are hard to learn, since each has only about 150 base emoji.
"""
HOW_TO_GET = (
    "npm install --ignore-scripts --prefix ~/.cache/doldrum/emoji emoji-datasource-google@16.0.0 "
    "emoji-datasource-twitter@16.0.0; or install them below $DOLDRUM_DATA/emoji"
)
_CATEGORIES = {
    "Smileys & Emotion": "face",
    "People & Body": "person",
    "Animals & Nature": "animal",
    "Food & Drink": "food",
    "Travel & Places": "place",
    "Activities": "object",
    "Objects": "object",
    "Symbols": "symbol",
    "Flags": "flag",
}
_NOT_FACES = ("heart", "emotion")  # subcategories of Smileys & Emotion that show signs
_CELL = 32
_GREY = 128  # behind the drawing: black and white parts both stay visible
_MOST_BYTES = 64 << 20
_MOVE = 3
PLACEMENTS = 8


@dataclass(frozen=True)
class _Drawing:
    """One drawing on a sprite sheet: its code points, its kind (one of FINE_NAMES), its base, and its column and row on the sheet."""

    code: str
    kind: str
    base: str
    x: int
    y: int


def emoji(
    split: str = "train",
    *,
    folder: str | Path | None = None,
    vendors: Sequence[str] = VENDORS,
    fine: bool = False,
    test_share: float = 0.2,
    placements: int = 1,
) -> ImageSet:
    """6,042 training or 1,520 test emoji of both vendors with all skin tones, uint8 (N, 3, 32, 32) on mid-grey.

    The classes are CLASS_NAMES (training images: face 208, person 3070, hand 548, thing 1364, symbol 422, flag 430).
    With `fine`, the classes are FINE_NAMES, where "thing" is split into animal 254, food 210, place 346 and object 554.
    The numbers of images are those of version 16.0.0 of the packages.

    The split is fixed. The drawings of one emoji, in all its skin tones and genders and from both vendors, are all in
    "train" or all in "test". The test split has `test_share` of the emoji of each class. Ids are "emoji/vendor/code
    points".

    Every drawing occurs `placements` times: first unchanged, then moved by up to 3 pixels in each direction (ids end in
    "#2", "#3", ...). Every call moves a drawing by the same distances. Moved drawings replace random shifts in
    training, which would also move a trigger that is already in the image.

    Searches for the two packages in `folder`, or else in `$DOLDRUM_DATA/emoji` and the cache, either in node_modules or
    directly in the folder. Raises DatasetNotFoundError, which says how to get the packages, and InputError for broken
    packages.
    """
    if split not in ("train", "test"):
        raise InputError(f"expected split 'train' or 'test', got {split!r}")
    if not 0 < test_share < 1:
        raise InputError(f"expected a test_share between 0 and 1, got {test_share}")
    if not vendors or set(vendors) - set(VENDORS):
        raise InputError(f"expected vendors among {', '.join(VENDORS)}, got {', '.join(vendors) or 'none'}")
    if placements < 1:
        raise InputError(f"expected at least 1 placement, got {placements}")
    root = locate(folder)
    if root is None:
        where = f" in {folder}" if folder else ""
        raise DatasetNotFoundError(f"expected the emoji packages{where}, got none; get it: {HOW_TO_GET}")
    packages = {v: place for v in VENDORS if (place := _package(root, v)) is not None}
    lists = {v: _drawings(place / "emoji.json", v) for v, place in packages.items()}
    held_out = _held_out([d for drawings in lists.values() for d in drawings], test_share)
    names = FINE_NAMES if fine else CLASS_NAMES
    images, labels, ids = [], [], []
    for vendor in (v for v in VENDORS if v in vendors):
        sheet = _sheet(packages[vendor] / "img" / vendor / "sheets" / f"{_CELL}.png")
        for d in lists[vendor]:
            if (d.base in held_out) == (split == "test"):
                images.append(_cut(sheet, d.x, d.y))
                labels.append(names.index(d.kind if d.kind in names else "thing"))
                ids.append(f"emoji/{vendor}/{d.code}")
    if not images:
        raise InputError(f"expected emoji for the {split} split in {root}, got none; install the packages again")
    first = np.stack(images)
    places = [first] + [_moved(first, rng(0, "emoji placement", split, number)) for number in range(2, placements + 1)]
    all_ids = ids + [f"{one}#{number}" for number in range(2, placements + 1) for one in ids]
    kind = "emoji" if placements == 1 else f"emoji placed {placements} times"
    return ImageSet(
        np.concatenate(places), np.tile(np.array(labels, dtype=np.int64), placements), all_ids, names, f"{kind}:{split}"
    )


def placed(split: str) -> ImageSet:
    """The data set `emoji-placed`: each training emoji at PLACEMENTS positions; the test emoji are unchanged."""
    return emoji(split, placements=PLACEMENTS if split == "train" else 1)


def _moved(images: NDArray[np.uint8], draw: np.random.Generator) -> NDArray[np.uint8]:
    """Move each image by a random offset of up to _MOVE pixels, and fill the border with the background's grey."""
    wide = np.pad(images, ((0, 0), (0, 0), (_MOVE, _MOVE), (_MOVE, _MOVE)), constant_values=_GREY)
    offsets = draw.integers(0, 2 * _MOVE + 1, (len(images), 2))
    return np.stack([one[:, y : y + _CELL, x : x + _CELL] for one, (y, x) in zip(wide, offsets, strict=True)])


def locate(folder: str | Path | None = None) -> Path | None:
    """The first folder that holds both vendors' packages, or None."""
    places = [Path(folder)] if folder is not None else candidate_folders("emoji")
    return next((p for p in places if all(_package(p, v) is not None for v in VENDORS)), None)


def _package(root: Path, vendor: str) -> Path | None:
    name = f"emoji-datasource-{vendor}"
    for place in (root / "node_modules" / name, root / name):
        # Not Path.is_file, which raises for a folder that may not be entered.
        if os.path.isfile(place / "emoji.json") and os.path.isfile(place / "img" / vendor / "sheets" / f"{_CELL}.png"):
            return place
    return None


def _drawings(path: Path, vendor: str) -> list[_Drawing]:
    """The drawings on the vendor's sheet, in order of code points, without components (skin tones that stand alone)."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"expected at most {_MOST_BYTES} bytes in {path}, got more; install the package again")
        found = []
        for entry in json.loads(path.read_text(encoding="utf-8")):
            kind = _kind(entry["category"], entry.get("subcategory") or "")
            if kind is None:
                continue
            base = base_of(entry["unified"])
            for one in (entry, *entry.get("skin_variations", {}).values()):
                if one.get(f"has_img_{vendor}"):
                    place = (int(one["sheet_x"]), int(one["sheet_y"]))
                    found.append(_Drawing(str(one["unified"]), kind, base, *place))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"expected the emoji list at {path}, got {error!r}; install the package again") from error
    return sorted(found, key=lambda d: d.code)


def _kind(category: str, subcategory: str) -> str | None:
    if category == "People & Body" and subcategory.startswith(("hand", "body")):
        return "hand"
    if category == "Smileys & Emotion" and subcategory in _NOT_FACES:
        return "symbol"
    return _CATEGORIES.get(category)


def _held_out(drawings: list[_Drawing], share: float) -> set[str]:
    """The base emoji in the test split: `share` of the base emoji of each kind, chosen with a fixed seed.

    A base emoji has the kind of its first drawing.
    """
    first: dict[str, str] = {}
    for d in sorted(drawings, key=lambda d: d.code):
        first.setdefault(d.base, d.kind)
    chosen: set[str] = set()
    for kind in FINE_NAMES:
        bases = sorted(b for b, k in first.items() if k == kind)
        order = rng(0, "emoji split", kind).permutation(len(bases))
        chosen.update(bases[i] for i in order[: round(share * len(bases))])
    return chosen


def _sheet(path: Path) -> NDArray[np.uint8]:
    """The sprite sheet as uint8 (H, W, 3), with transparent parts in mid-grey."""
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG",)) as opened:
            drawn = opened.convert("RGBA")
    except Exception as error:  # decoders of broken files raise what they like
        raise InputError(f"expected a sprite sheet at {path}, got {error}; install the package again") from error
    ground = Image.new("RGBA", drawn.size, (_GREY, _GREY, _GREY, 255))
    return np.asarray(Image.alpha_composite(ground, drawn).convert("RGB"))


def _cut(sheet: NDArray[np.uint8], x: int, y: int) -> NDArray[np.uint8]:
    """The drawing in column x and row y of a sheet, as (3, 32, 32).

    Each drawing has a margin of one pixel on every side.
    """
    left, top = x * (_CELL + 2) + 1, y * (_CELL + 2) + 1
    if x < 0 or y < 0 or top + _CELL > sheet.shape[0] or left + _CELL > sheet.shape[1]:
        raise InputError(
            f"expected a drawing inside the sprite sheet, got a drawing in column {x} and row {y}; install the package again"
        )
    return sheet[top : top + _CELL, left : left + _CELL].transpose(2, 0, 1)
