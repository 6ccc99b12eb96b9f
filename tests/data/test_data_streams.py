"""read_stream: every kind of object that holds images gives the same images, labels and ids; what can't be read is named."""

from __future__ import annotations

import errno
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_sources import Numbers, Rows, Streamed, last, picture, scaled, sources, unlabelled
from PIL import Image
from torch.utils.data import DataLoader

from doldrum.data import ImageSet, as_image_set, as_labelled, read_stream
from doldrum.data.store import PixelStore
from doldrum.errors import InputError
from doldrum.pixels import to_float

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (10, 3, 6, 5), dtype=np.uint8)
GREY = RNG.integers(0, 256, (10, 1, 6, 5), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])


def same(found: ImageSet, images: np.ndarray) -> bool:
    return np.array_equal(to_float(found.images), to_float(images))


@pytest.mark.parametrize("images", [COLOUR, GREY], ids=["colour", "grey"])
@pytest.mark.parametrize("name", sources(COLOUR, LABELS))
@pytest.mark.parametrize("known", [True, False])
def test_every_source_gives_the_same_images_and_labels(images, name, known) -> None:
    read = read_stream(sources(images, LABELS)[name](), shape=images.shape[1:] if known else None)
    assert same(read.images, images)
    assert read.images.labels is not None
    assert read.images.labels.tolist() == LABELS.tolist()
    assert read.images.ids == tuple(map(str, range(10)))
    assert (read.skipped, read.notes) == ((), ())


@pytest.mark.parametrize("name", unlabelled(COLOUR))
def test_every_source_without_labels_gives_the_same_images(name) -> None:
    found = as_image_set(unlabelled(COLOUR)[name](), shape=(3, 6, 5))
    assert same(found, COLOUR)
    assert found.labels is None


def test_class_names_come_from_the_set_also_inside_others() -> None:
    for name in ("dataset of arrays", "subset", "loader", "hugging face"):
        assert as_image_set(sources(GREY, LABELS)[name]()).class_names == ("zero", "one", "two")
    assert as_image_set(sources(GREY, LABELS + 1)["subset"]()).class_names == ("0", "1", "2", "3")  # they don't fit
    assert as_image_set(Rows([{"image": picture(GREY[0]), "label": 1}])).name == "pets:test"


def test_hidden_or_absent_labels_are_none() -> None:
    assert as_image_set([(GREY[0], 1), (GREY[1], -1)]).labels is None
    assert as_image_set([(GREY[0], "a.png"), (GREY[1], "b.png")]).labels is None
    assert as_image_set([(GREY[0], GREY[0]), (GREY[1], GREY[1])]).labels is None  # (image, mask)


def test_an_item_that_raises_is_named_and_the_others_keep_their_ids() -> None:
    data = Numbers(COLOUR, LABELS, broken=(7,))
    read = read_stream(data)
    assert read.images.ids == ("0", "1", "2", "3", "4", "5", "6", "8", "9")
    assert same(read.images, np.delete(COLOUR, 7, axis=0))
    assert read.images.labels is not None
    assert read.images.labels.tolist() == np.delete(LABELS, 7).tolist()
    assert read.skipped == (("7", "item 7 of the Numbers raised ValueError: no pixels in 7"),)
    assert data.asked == list(range(10))  # each once
    with pytest.raises(
        InputError, match="item 7 of the Numbers raised ValueError: no pixels in 7; fix this image, or leave it out"
    ):
        as_image_set(data)
    with pytest.raises(InputError, match=r"got 10 items that cannot be read; the first: item 0 of the Numbers"):
        read_stream(Numbers(COLOUR, LABELS, broken=range(10)))


def test_a_batch_that_raises_costs_its_own_images() -> None:
    read = read_stream(DataLoader(Numbers(COLOUR, LABELS, broken=(7,)), batch_size=4))
    assert read.images.ids == ("0", "1", "2", "3", "8", "9")
    assert same(read.images, COLOUR[[0, 1, 2, 3, 8, 9]])
    ((name, why),) = read.skipped
    assert name == "4"
    assert why.startswith("batch 1 of the DataLoader raised ValueError: no pixels in 7")


class _Picky(Exception):
    """One that can't be made again from a text alone, as torch would: it then gives a RuntimeError."""

    def __init__(self, item: int, why: str) -> None:
        super().__init__(f"{why} of {item}\nin many words")


class _Raising(Numbers):
    def __getitem__(self, item: int) -> Any:
        if item == 1:
            raise _Picky(item, "no pixels")
        if item == 2:
            try:
                raise OSError("the disk is gone")
            except OSError:
                raise KeyError("photo 2")  # noqa: B904
        return super().__getitem__(item)


def test_what_a_workers_data_set_raised_is_told_with_its_type() -> None:
    read = read_stream(DataLoader(_Raising(COLOUR, LABELS), batch_size=1, num_workers=1))
    assert [why for _, why in read.skipped] == [
        "batch 1 of the DataLoader raised _Picky: no pixels of 1",
        "batch 2 of the DataLoader raised KeyError: 'photo 2'",
    ]


def test_a_source_that_raises_before_its_first_item_is_named() -> None:
    class Closed:
        def __iter__(self) -> Any:
            raise OSError("the archive is closed")

    with pytest.raises(
        InputError, match="item 0 of the Closed raised OSError: the archive is closed; nothing after it"
    ):
        read_stream(Closed())


def test_after_a_generator_that_raises_there_is_nothing() -> None:
    def broken() -> Any:
        yield from COLOUR[:7]
        raise OSError("the disk is gone")

    with pytest.raises(InputError, match="item 7 of the generator raised OSError: the disk is gone; nothing after it"):
        read_stream(broken())

    class Stuck:
        """It raises for ever: to ask again would never end."""

        def __iter__(self) -> Any:
            return self

        def __next__(self) -> Any:
            raise RuntimeError("stuck")

    for source in (Stuck(), DataLoader(Streamed([1], [1]), collate_fn=lambda _: 1 / 0)):
        with pytest.raises(InputError, match=r"(item|batch) 0 of the \w+ raised"):
            read_stream(source)


def test_pictures_are_stretched_to_the_classifier_and_a_note_says_so() -> None:
    large = [Image.fromarray(last(x)).resize((20, 9)) for x in COLOUR[:3]]
    read = read_stream([*large, picture(COLOUR[3])], shape=(3, 6, 5))
    want = [np.asarray(x.resize((5, 6), Image.Resampling.BILINEAR)).transpose(2, 0, 1) for x in large]
    assert np.array_equal(read.images.images, [*want, COLOUR[3]])
    assert read.notes == ("3 of 4 pictures were stretched to 6 x 5",)
    with pytest.raises(InputError, match=r"item 1 of the list: expected images of one shape \(3, 9, 20\)"):
        read_stream([large[0], picture(COLOUR[3])])


def test_grey_is_repeated_for_colour_and_colour_skipped_for_grey() -> None:
    for form in (picture, last, scaled):
        found = as_image_set([form(x) for x in GREY], shape=(3, 6, 5))
        assert same(found, np.repeat(GREY, 3, axis=1))
    read = read_stream([picture(GREY[0]), picture(COLOUR[0])], shape=(1, 6, 5))
    assert len(read.images) == 1
    assert "item 1 of the list: expected a grey image" in read.skipped[0][1]


def test_a_classifiers_own_way_with_pictures_is_taken(tmp_path: Path) -> None:
    def fit(pictures: Any) -> np.ndarray:
        return np.stack([np.full((3, 6, 5), np.asarray(p).max(), np.uint8) for p in pictures])

    read = read_stream([picture(x) for x in COLOUR], shape=(3, 6, 5), fit=fit)
    assert read.images.images.reshape(10, -1).max(axis=1).tolist() == COLOUR.reshape(10, -1).max(axis=1).tolist()
    assert read.notes == ("10 of 10 pictures were resized by the model's own processor",)


def test_a_cut_off_picture_is_skipped(tmp_path: Path) -> None:
    whole = tmp_path / "a.png"
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(whole)
    whole.write_bytes(whole.read_bytes()[:5000])
    with Image.open(whole) as cut:
        read = read_stream([cut, picture(COLOUR[0])], shape=(3, 6, 5))
    assert read.images.ids == ("1",)
    assert read.skipped[0][0] == "0"
    assert "cannot be decoded" in read.skipped[0][1]


def test_a_shuffled_loader_is_read_in_its_own_order_once_and_said() -> None:
    torch.manual_seed(1)
    data = Numbers(COLOUR, LABELS)
    read = read_stream(DataLoader(data, batch_size=4, shuffle=True, drop_last=True))
    assert len(read.images) == 8
    assert data.asked[:8] != list(range(8))
    assert np.array_equal(read.images.images, COLOUR[data.asked[:8]])
    assert [note.split(":")[0] for note in read.notes] == [
        "the DataLoader shuffles the images",
        "the DataLoader has drop_last=True",
    ]


def test_a_transform_that_draws_is_drawn_once() -> None:
    rng = np.random.default_rng(5)
    found = as_image_set(Numbers(COLOUR, LABELS, form=lambda x: rng.permuted(x)))
    first, again = np.array(found.images), np.array(found.images)
    assert np.array_equal(first, again)
    assert found.content_hash() == ImageSet(first, LABELS).content_hash()


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ([(scaled(x) - 0.5) / 0.25 for x in COLOUR], r"item 0 of the list: .*got -2 to 1.89; leave the normalisation out .* belongs to the classifier"),
        ([x.astype(np.float32) for x in COLOUR], "item 0 of the list: .*divide by 255"),
        ([scaled(COLOUR[0]), scaled(COLOUR[1]) * np.nan], "item 1 of the list: expected finite"),
        ([x.astype(np.int64) for x in COLOUR], "item 0 of the list: expected uint8.*got int64"),
        ([COLOUR[0], scaled(COLOUR[1])], "item 1 of the list: expected all pixels to have the type of the first image, uint8"),
        ([COLOUR[0], COLOUR[0][:, :4]], r"item 1 of the list: expected an image of shape \(3, 6, 5\).*got \(3, 4, 5\)"),
        ([np.zeros((6, 5, 4), np.uint8)], r"got \(6, 5, 4\)"),
        ([{"pixels of it": COLOUR[0], "more": COLOUR[0]}], "item 0 of the list: expected a column 'image', got pixels of it, more"),
        ([], "at least one image in the list, got none"),
        (iter(()), "at least one image in the tuple_iterator, got none"),
        ([None, None], "item 0 of the list: .*got NoneType"),
        ([(), ()], "item 0 of the list: .*got an empty tuple"),
        (["a.png"], "item 0 of the list: .*got str"),
        ([[[[0.5, 0.5], [0.5]]]], "nested lists of different lengths"),
        ("photos", "read_images"),
        (Path("photos"), "read_images"),
        ({"train": [], "test": []}, "got dict; pass one of train, test"),
        (picture(COLOUR[0]), "put it into a list"),
        (None, "got NoneType"),
        (7, "got int; give one of these"),
        (np.float32(7), "got float32; give one of these"),
        (np.array(7), "got ndarray; give one of these"),
        (COLOUR[0], "add the missing axes"),
    ],
)  # fmt: skip
def test_what_gives_no_images_is_refused_in_one_line(source, why) -> None:
    with pytest.raises(InputError, match=why) as error:
        read_stream(source, shape=(3, 6, 5))
    assert "\n" not in str(error.value)


def test_labels_are_asked_for_where_they_are_needed() -> None:
    assert as_labelled(Numbers(COLOUR, LABELS), what="a test set").labels is not None
    with pytest.raises(
        InputError, match="expected a test set with labels, got a list in which some items have no class number"
    ):
        as_labelled(list(COLOUR), what="a test set")
    with pytest.raises(InputError, match="expected an ImageSet, got ndarray"):
        as_labelled(COLOUR, what="a test set")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_many_images_are_a_file_and_not_memory(dtype, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("doldrum.data.streams._IN_MEMORY", 1 << 20)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    count = 1500 if dtype == np.uint8 else 400

    def images() -> Any:
        for i in range(count):
            yield np.full((3, 64, 64), i % 2, dtype)

    tracemalloc.start()
    try:
        found = as_image_set(images())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.images.nbytes > 17 << 20
    assert peak < 6 << 20
    assert isinstance(found.images, np.memmap)
    assert found.images[:, 0, 0, 0].tolist() == [i % 2 for i in range(count)]
    assert [p.name for p in (tmp_path / "doldrum").iterdir()] == []  # the file has no name: nothing stays behind


def test_a_full_disk_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store = PixelStore(in_memory=10)
    store.add(np.zeros((1, 4, 4), np.uint8))
    assert store._file is not None
    store._file.close()
    with open("/dev/full", "wb", buffering=0) as full:
        store._file = full
        with pytest.raises(OSError, match="full disk; free some space, or set XDG_CACHE_HOME") as error:
            store.add(np.zeros((1, 4, 4), np.uint8))
    assert error.value.errno == errno.ENOSPC


def test_no_library_is_imported_to_look_at_a_list() -> None:
    code = (
        "import sys, numpy as np; from doldrum.data import read_stream; read_stream([np.zeros((1, 4, 4), np.uint8)]);"
        "print([m for m in ('torch', 'datasets', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
