"""The adapter for Hugging Face data sets, on a small stand-in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from doldrum.data.readers.huggingface import from_huggingface
from doldrum.errors import InputError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (3, 6, 5, 3), dtype=np.uint8)


class StandIn:
    """As much of datasets.Dataset as the adapter uses."""

    def __init__(self, rows: list[dict[str, Any]], names: list[str] | None = None, form: str | None = None) -> None:
        self.rows, self.names, self.split, self.form = rows, names, "train", form
        self.column_names = list(rows[0]) if rows else ["image", "label"]
        self.features = {"label": SimpleNamespace(names=names), "image": SimpleNamespace()}
        self.info = SimpleNamespace(dataset_name="pets")
        self.format = {"type": form}

    def with_format(self, form: str | None) -> StandIn:
        return StandIn(self.rows, self.names, form)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self.rows:
            yield row if self.form is None else {**row, "image": "a tensor"}


def rows(images: Any) -> list[dict[str, Any]]:
    return [{"image": image, "label": k % 2, "more": "text"} for k, image in enumerate(images)]


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("form", [None, "torch"])
def test_pillow_images_with_class_names(form: str | None) -> None:
    s = from_huggingface(StandIn(rows(map(Image.fromarray, COLOUR)), ["cat", "dog", "cow"], form))
    assert np.array_equal(s.images, COLOUR.transpose(0, 3, 1, 2))
    assert s.labels is not None
    assert s.labels.tolist() == [0, 1, 0]
    assert s.class_names == ("cat", "dog", "cow")
    assert s.ids == ("0", "1", "2")
    assert s.name == "pets:train"


def test_bytes_paths_and_arrays_are_the_same(tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(png(COLOUR[0]))
    kinds = [
        COLOUR[0],
        Image.fromarray(COLOUR[0]),
        {"bytes": png(COLOUR[0]), "path": None},
        {"bytes": None, "path": str(tmp_path / "a.png")},
    ]
    s = from_huggingface(StandIn(rows(kinds)))
    assert all(np.array_equal(image, COLOUR[0].transpose(2, 0, 1)) for image in s.images)


def test_other_columns_and_no_labels() -> None:
    data = [{"img": c, "fine": k} for k, c in enumerate(COLOUR)]
    assert from_huggingface(data, image_column="img", label_column="fine").num_classes == 3
    assert from_huggingface(data, image_column="img", label_column=None, name="x").labels is None


def test_a_stream_with_a_limit() -> None:
    stream = ({"image": COLOUR[0], "label": k} for k in count())
    s = from_huggingface(stream, limit=4)
    assert len(s) == 4
    assert s.num_classes == 4


def test_grey_and_colour() -> None:
    mixed = [COLOUR[0], COLOUR[1, ..., 0]]
    assert from_huggingface(rows(mixed)).input_shape == (3, 6, 5)
    with pytest.raises(InputError, match=r"row 1: .*grey model"):
        from_huggingface(rows(mixed[::-1]))
    assert from_huggingface(rows(mixed[::-1]), channels=3, size=(4, 4)).input_shape == (3, 4, 4)


def test_sizes() -> None:
    with pytest.raises(InputError, match=r"row 1: .*one shape"):
        from_huggingface(rows([COLOUR[0], COLOUR[0, :4]]))
    assert from_huggingface(rows([COLOUR[0], COLOUR[0, :4]]), size=(3, 3)).input_shape == (3, 3, 3)


GOOD = COLOUR[0]
BAD: list[tuple[Any, dict[str, Any], str]] = [
    ({"train": [], "test": []}, {}, "DatasetDict of train, test"),
    ([], {}, "empty"),
    (StandIn([]), {}, "empty"),
    (3, {}, "rows"),
    ([3], {}, "dicts"),
    (rows([GOOD]), {"image_column": "img"}, "'img', got the columns image, label, more"),
    (StandIn(rows([GOOD])), {"label_column": "fine"}, "'fine'"),
    (rows([None]), {}, "row 0: expected an image, got NoneType"),
    (rows([{"bytes": b"broken"}]), {}, "row 0"),
    (rows([{"bytes": None, "path": None}]), {}, "row 0"),
    (rows([{"path": "/gone.png"}]), {}, "no file"),
    (rows([GOOD / 255]), {}, "uint8"),
    (rows([GOOD.transpose(2, 0, 1)]), {}, "shape"),
    (rows([GOOD[:0]]), {}, "shape"),
    (rows([GOOD]), {"limit": 0}, "limit"),
    (rows([GOOD]), {"limit": "all"}, "limit"),
    (rows([GOOD]), {"image_column": None}, "image_column"),
    (rows([GOOD]), {"label_column": 3}, "label_column"),
    (StandIn([{"image": GOOD}]), {}, "'label'"),
    ("pets", {}, "dicts"),
    ([{"image": GOOD, "label": "cat"}], {}, "encode the column"),
    ([{"image": GOOD, "label": -1}], {}, "hidden"),
    ([{"image": GOOD, "label": True}], {}, "class number"),
    (StandIn([{"image": GOOD, "label": 5}], ["a", "b"]), {}, "below 2"),
]


@pytest.mark.parametrize(("data", "options", "why"), BAD)
def test_what_is_wrong_is_said(data: Any, options: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        from_huggingface(data, **options)


def test_a_truncated_pillow_image() -> None:
    whole = png(RNG.integers(0, 256, (50, 50, 3), dtype=np.uint8))
    with Image.open(io.BytesIO(whole[:3000])) as broken, pytest.raises(InputError, match=r"row 0: .*decoded"):
        from_huggingface(rows([broken]))


def test_a_decoder_that_fails_in_the_library_is_said_with_its_row() -> None:
    def stream() -> Iterator[dict[str, Any]]:
        yield rows([COLOUR[0]])[0]
        raise OSError("cannot identify image file \x1b[31m")

    with pytest.raises(InputError, match=r"row 1: .*cannot identify image file .*decode=False"):
        from_huggingface(stream())


def test_a_bomb_of_pixels_and_a_pipe_are_refused(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import sys

    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match=r"row 0: .*pipe"):
        from_huggingface(rows([{"bytes": None, "path": str(tmp_path / "pipe.png")}]))
    monkeypatch.setattr(sys.modules["doldrum.data.readers.values"], "MOST_PIXELS", 20)
    with pytest.raises(InputError, match=r"row 0: .*5 x 6"):
        from_huggingface(rows([Image.fromarray(COLOUR[0])]))


@pytest.mark.parametrize("mode", ["CMYK", "RGBA", "P", "L", "1", "I;16"])
def test_pictures_of_other_modes(mode: str) -> None:
    image = Image.new("RGB", (5, 6), (255, 255, 255)).convert("L" if mode == "I;16" else mode)
    if mode == "I;16":
        image = Image.fromarray(np.full((6, 5), 65535, np.uint16))
    s = from_huggingface(rows([image]))
    assert s.images.dtype == np.uint8
    assert (s.images == 255).all()
    assert s.input_shape[0] == (1 if mode in ("L", "1", "I;16") else s.input_shape[0])
