"""The emoji set: on a tiny sheet made here, and the real one where it is."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from doldrum.data import DATASETS, emoji
from doldrum.data.sets.emoji_bases import base_of
from doldrum.errors import DatasetNotFoundError, InputError

VENDORS = ("google", "twitter")


def entry(unified: str, category: str, x: int, y: int, *, subcategory: str = "", **more: Any) -> dict[str, Any]:
    images = {"has_img_google": True, "has_img_twitter": True}
    place = {"unified": unified, "sheet_x": x, "sheet_y": y}
    return {"category": category, "subcategory": subcategory, **place, **images, **more}


def entries() -> list[dict[str, Any]]:
    tone = entry("1F468-1F3FB-200D-1F3A4", "", 1, 0)
    singers = [
        entry("1F468-200D-1F3A4", "People & Body", 0, 0, skin_variations={"1F3FB": tone}),
        entry("1F469-200D-1F3A4", "People & Body", 2, 0),
        entry("1F9D1-200D-1F3A4", "People & Body", 3, 0, has_img_twitter=False),
    ]
    flags = [entry(f"1F1E6-1F1{k:02X}", "Flags", k % 5, 1 + k // 5) for k in range(10)]
    hearts = [entry("2764-FE0F", "Smileys & Emotion", 0, 3, subcategory="heart")]
    return [*singers, *flags, *hearts, entry("1F3FB", "Component", 4, 4)]


def put(root: Path, *, lists: Any = None, sheet: np.ndarray | None = None) -> Path:
    """Both vendors' packages, with a sheet of 5 x 5 cells, cell (x, y) coloured (10x, 10y, vendor)."""
    for k, vendor in enumerate(VENDORS):
        package = root / "node_modules" / f"emoji-datasource-{vendor}"
        (package / "img" / vendor / "sheets").mkdir(parents=True, exist_ok=True)
        (package / "emoji.json").write_text(json.dumps(entries() if lists is None else lists))
        made = np.zeros((5 * 34, 5 * 34, 4), np.uint8)
        for x in range(5):
            for y in range(5):
                cell = made[34 * y + 1 : 34 * y + 33, 34 * x + 1 : 34 * x + 33]
                cell[:] = (10 * x, 10 * y, 100 * k, 255)
                cell[0, 0, 3] = 0
        Image.fromarray(made if sheet is None else sheet).save(package / "img" / vendor / "sheets" / "32.png")
    return root


def test_cells_labels_and_ground(tmp_path: Path) -> None:
    put(tmp_path)
    parts = [emoji(split, folder=tmp_path) for split in ("train", "test")]
    seen = {}
    for s in parts:
        assert s.labels is not None
        assert s.input_shape == (3, 32, 32)
        for name, image, label in zip(s.ids, s.images, s.labels, strict=True):
            seen[name] = (s.class_names[label], image)
    assert len(seen) == 2 * (3 + 10 + 1) + 1
    for name, (label, image) in seen.items():
        vendor, code = name.split("/")[1:]
        own = next(e for f in entries() for e in (f, *f.get("skin_variations", {}).values()) if e["unified"] == code)
        assert image[:, 1, 1].tolist() == [10 * own["sheet_x"], 10 * own["sheet_y"], 100 * VENDORS.index(vendor)]
        assert (image[:, 1:, :] == image[:, 1:2, 1:2]).all()  # nothing of the margins
        assert len(set(image[:, 0, 0].tolist())) == 1  # the transparent pixel: the ground
        assert label == {"1F4": "person", "1F9": "person", "1F1": "flag", "276": "symbol"}[code[:3]]
    assert "emoji/twitter/1F9D1-200D-1F3A4" not in seen
    assert "emoji/google/1F3FB" not in seen


def bases(split: str, folder: Path | None) -> set[str]:
    return {base_of(name.split("/")[2]) for name in emoji(split, folder=folder).ids}


def test_a_base_is_on_one_side_and_the_split_is_fixed(tmp_path: Path) -> None:
    put(tmp_path)
    assert not bases("train", tmp_path) & bases("test", tmp_path)
    assert len([b for b in bases("test", tmp_path) if b.startswith("1F1E6")]) == 2
    again = put(tmp_path / "again", lists=entries()[::-1])  # the order of the list plays no part
    for split in ("train", "test"):
        assert emoji(split, folder=again).content_hash() == emoji(split, folder=tmp_path).content_hash()


def test_placements_move_each_drawing_over_the_ground(tmp_path: Path) -> None:
    put(tmp_path)
    one, three = (emoji("train", folder=tmp_path, placements=n) for n in (1, 3))
    count = len(one)
    assert one.labels is not None
    assert three.labels is not None
    assert (three.images[:count] == one.images).all()
    assert three.labels.tolist() == 3 * one.labels.tolist()
    assert len(set(three.ids)) == 3 * count
    assert not set(three.ids[:count]) & bases("test", tmp_path)
    offsets = set()
    for number in (1, 2):
        for before, after in zip(one.images, three.images[number * count :], strict=False):
            wide = np.full((3, 44, 44), 128, dtype=np.uint8)
            wide[:, 6:38, 6:38] = before
            fits = [
                (y, x)
                for y in range(-3, 4)
                for x in range(-3, 4)
                if (after == wide[:, 6 + y : 38 + y, 6 + x : 38 + x]).all()
            ]
            assert fits
            offsets.update(fits)
    assert len(offsets) > 5
    assert emoji("train", folder=tmp_path, placements=3).content_hash() == three.content_hash()
    with pytest.raises(InputError, match="at least 1 placement"):
        emoji("train", folder=tmp_path, placements=0)


def test_one_vendor_keeps_the_split(tmp_path: Path) -> None:
    put(tmp_path)
    both, one = (emoji("test", folder=tmp_path, vendors=v) for v in (VENDORS, ("twitter",)))
    assert set(one.ids) == {name for name in both.ids if "/twitter/" in name}


@pytest.mark.parametrize(
    ("alike", "other"),
    [
        (("1F44B", "1F44B-1F3FB", "1F44B-1F3FF"), "1F44C"),
        (("1F3C3", "1F3C3-1F3FD-200D-2640-FE0F", "1F3C3-200D-2642-FE0F-200D-27A1-FE0F"), "1F3CA"),
        (("1F468-200D-2695-FE0F", "1F469-1F3FE-200D-2695-FE0F", "1F9D1-200D-2695-FE0F"), "1F468-200D-1F3A4"),
        (("1F469-200D-1F9B0", "1F468-1F3FC-200D-1F9B1", "1F9D1"), "1F476"),
        (("1F468-200D-1F469-200D-1F466", "1F469-200D-1F467", "1F46A"), "1F9D1"),
        (("1F1EB-1F1F7", "1F1E8-1F1F5", "1F1F2-1F1EB"), "1F1E9-1F1EA"),
        (("1F471-1F3FC-200D-2640-FE0F", "1F469-1F3FC"), "1F473"),
        (("1F46B", "1F9D1-1F3FB-200D-1F91D-200D-1F9D1-1F3FF"), "1F9D1"),
    ],
)
def test_bases(alike: tuple[str, ...], other: str) -> None:
    assert len({base_of(code) for code in alike}) == 1
    assert base_of(other) != base_of(alike[0])


BROKEN: list[dict[str, Any]] = [
    {"lists": {}},
    {"lists": [3]},
    {"lists": [{"unified": "1F1E6"}]},
    {"lists": [entry("1F1E6", "Flags", 5, 0)]},
    {"lists": [entry("1F1E6", "Flags", -1, 0)]},
    {"lists": [entry("../x", "Flags", 0, 0)]},
    {"lists": [entry("1F1E6", "Flags", "a", 0)]},  # pyright: ignore[reportArgumentType]
    {"sheet": np.zeros((10, 10, 4), np.uint8)},
]


@pytest.mark.parametrize("change", BROKEN)
def test_broken_packages(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        emoji("train", folder=put(tmp_path, **change))


def test_broken_files(tmp_path: Path) -> None:
    package = put(tmp_path) / "node_modules" / "emoji-datasource-google"
    (package / "img" / "google" / "sheets" / "32.png").write_bytes(b"no image")
    with pytest.raises(InputError, match="sprite sheet"):
        emoji("train", folder=tmp_path)
    (package / "emoji.json").write_bytes(b"[" * 100_000)
    with pytest.raises(InputError, match="emoji list"):
        emoji("train", folder=tmp_path)
    (package / "emoji.json").unlink()
    with pytest.raises(DatasetNotFoundError, match="npm install"):
        emoji("train", folder=tmp_path)


def test_options(tmp_path: Path) -> None:
    for options in ({"split": "val"}, {"vendors": ()}, {"vendors": ("apple",)}, {"test_share": 0.0}):
        with pytest.raises(InputError):
            emoji(**{"folder": tmp_path, **options})


@pytest.mark.skipif(DATASETS["emoji"].locate() is None, reason="the emoji packages are not here (doldrum datasets)")
def test_the_real_set() -> None:
    train, test = emoji("train"), emoji("test")
    assert len(train) > 5000
    assert len(test) > 1000
    for s in (train, test):
        assert s.labels is not None
        assert (np.bincount(s.labels, minlength=s.num_classes) > 40).all()
    assert not bases("train", None) & bases("test", None)
    sides = defaultdict(set)
    for s in (train, test):
        for image in s.images:
            sides[image.tobytes()].add(s.name)
    assert not [names for names in sides.values() if len(names) > 1]
