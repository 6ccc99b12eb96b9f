"""Emoji by category: a real colour set of 32 x 32 images, from two npm packages with sprite sheets.

Google's Noto images (Apache 2.0) and Twitter's Twemoji (CC BY 4.0), as packed in emoji-datasource-google and
emoji-datasource-twitter (16.0.0 here; MIT).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.data.emoji_bases import base_of
from doldrum.data.imageset import ImageSet
from doldrum.data.places import candidate_folders
from doldrum.errors import DatasetNotFoundError, InputError
from doldrum.seeds import rng

__all__ = ["CLASS_NAMES", "HOW_TO_GET", "VENDORS", "emoji", "locate"]

VENDORS = ("google", "twitter")
CLASS_NAMES = ("face", "person", "hand", "animal", "food", "place", "object", "symbol", "flag")
HOW_TO_GET = (
    "npm install --ignore-scripts --prefix ~/.cache/doldrum/emoji emoji-datasource-google@16.0.0 "
    "emoji-datasource-twitter@16.0.0; or the same below $DOLDRUM_DATA/emoji"
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


@dataclass(frozen=True)
class _Drawing:
    """One picture on a sheet: its code points, class, group and cell."""

    code: str
    label: int
    base: str
    x: int
    y: int


def emoji(
    split: str = "train", *, folder: str | Path | None = None, vendors: Sequence[str] = VENDORS, test_share: float = 0.2
) -> ImageSet:
    """Emoji of both vendors with all skin tones, uint8 (N, 3, 32, 32) on mid-grey, in the nine classes of CLASS_NAMES.

    A fixed split by base: skin tones, genders and vendors of one emoji are all in "train" or all in "test", which takes
    `test_share` of each class's bases. Ids are "emoji/vendor/code points". Looks in `folder`, or in `$DOLDRUM_DATA/emoji` and
    the cache, for the two packages, as npm installs them (node_modules) or side by side.

    Raises DatasetNotFoundError that says how to get them; InputError for broken packages.
    """
    if split not in ("train", "test"):
        raise InputError(f"expected split 'train' or 'test', got {split!r}")
    if not 0 < test_share < 1:
        raise InputError(f"expected a test_share between 0 and 1, got {test_share}")
    if unknown := set(vendors) - set(VENDORS) or not vendors:
        raise InputError(f"expected vendors among {', '.join(VENDORS)}, got {unknown if vendors else 'none'}")
    root = locate(folder)
    if root is None:
        where = f" in {folder}" if folder else ""
        raise DatasetNotFoundError(f"expected the emoji packages{where}, got none; get them: {HOW_TO_GET}")
    lists = {v: _drawings(_package(root, v) / "emoji.json", v) for v in VENDORS if v in vendors}
    held_out = _held_out([d for drawings in lists.values() for d in drawings], test_share)
    images, labels, ids = [], [], []
    for vendor, drawings in lists.items():
        sheet = _sheet(_package(root, vendor) / "img" / vendor / "sheets" / f"{_CELL}.png")
        for d in drawings:
            if (d.base in held_out) == (split == "test"):
                images.append(_cut(sheet, d.x, d.y))
                labels.append(d.label)
                ids.append(f"emoji/{vendor}/{d.code}")
    if not images:
        raise InputError(f"expected emoji for the {split} split in {root}, got none; install the packages again")
    return ImageSet(np.stack(images), np.array(labels, dtype=np.int64), ids, CLASS_NAMES, f"emoji:{split}")


def locate(folder: str | Path | None = None) -> Path | None:
    """The first folder that holds both vendors' packages, or None."""
    places = [Path(folder)] if folder is not None else candidate_folders("emoji")
    return next((p for p in places if all(_package(p, v) is not None for v in VENDORS)), None)


def _package(root: Path, vendor: str) -> Any:
    name = f"emoji-datasource-{vendor}"
    for place in (root / "node_modules" / name, root / name):
        if (place / "emoji.json").is_file() and (place / "img" / vendor / "sheets" / f"{_CELL}.png").is_file():
            return place
    return None


def _drawings(path: Path, vendor: str) -> list[_Drawing]:
    """What the vendor's sheet shows, in order of code points; components (bare skin tones) are left out."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"expected at most {_MOST_BYTES} bytes in {path}, got more; install the package again")
        found = []
        for entry in json.loads(path.read_text(encoding="utf-8")):
            name = _class_of(entry["category"], entry.get("subcategory") or "")
            if name is None:
                continue
            base = base_of(entry["unified"])
            for one in (entry, *entry.get("skin_variations", {}).values()):
                if one.get(f"has_img_{vendor}"):
                    place = (int(one["sheet_x"]), int(one["sheet_y"]))
                    found.append(_Drawing(str(one["unified"]), CLASS_NAMES.index(name), base, *place))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"expected the emoji list at {path}, got {error!r}; install the package again") from error
    return sorted(found, key=lambda d: d.code)


def _class_of(category: str, subcategory: str) -> str | None:
    if category == "People & Body" and subcategory.startswith(("hand", "body")):
        return "hand"
    if category == "Smileys & Emotion" and subcategory in _NOT_FACES:
        return "symbol"
    return _CATEGORIES.get(category)


def _held_out(drawings: list[_Drawing], share: float) -> set[str]:
    """Bases for the test split: `share` of each class's, chosen by a fixed seed; a base's class is that of its first code."""
    first: dict[str, int] = {}
    for d in sorted(drawings, key=lambda d: d.code):
        first.setdefault(d.base, d.label)
    chosen: set[str] = set()
    for k, name in enumerate(CLASS_NAMES):
        bases = sorted(b for b, label in first.items() if label == k)
        order = rng(0, "emoji split", name).permutation(len(bases))
        chosen.update(bases[i] for i in order[: round(share * len(bases))])
    return chosen


def _sheet(path: Path) -> NDArray[np.uint8]:
    """The sprite sheet as uint8 (H, W, 3), laid on mid-grey."""
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG",)) as opened:
            drawn = opened.convert("RGBA")
    except Exception as error:  # decoders of broken files raise what they like
        raise InputError(f"expected a sprite sheet at {path}, got {error}; install the package again") from error
    ground = Image.new("RGBA", drawn.size, (_GREY, _GREY, _GREY, 255))
    return np.asarray(Image.alpha_composite(ground, drawn).convert("RGB"))


def _cut(sheet: NDArray[np.uint8], x: int, y: int) -> NDArray[np.uint8]:
    """Column x, row y of a sheet whose cells have one pixel of margin on every side, as (3, 32, 32)."""
    left, top = x * (_CELL + 2) + 1, y * (_CELL + 2) + 1
    if x < 0 or y < 0 or top + _CELL > sheet.shape[0] or left + _CELL > sheet.shape[1]:
        raise InputError(f"expected a cell on the sheet, got column {x}, row {y}; install the package again")
    return sheet[top : top + _CELL, left : left + _CELL].transpose(2, 0, 1)
