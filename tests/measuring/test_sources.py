"""measure and measure_to on the user's own objects: the draws of plain arrays, and nothing lost to an item that raises."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from image_sources import Numbers, Slices, picture, sources, unlabelled

import doldrum as dd
from doldrum.errors import InputError
from doldrum.measuring import Measurement, measure_to, read_manifest, read_responses

PROBE = dd.probes.Gaussian([0.2], draws=20, seed=0)
LABELS = np.arange(10) % 3
IMAGES = np.random.default_rng(0).integers(0, 256, (10, 1, 8, 8), dtype=np.uint8)
MAKERS = {**sources(IMAGES, LABELS), **unlabelled(IMAGES)}


@pytest.fixture
def want(clf) -> Any:
    return dd.measure(clf, IMAGES, PROBE, engine="eager")


@pytest.mark.parametrize("name", MAKERS)
def test_every_source_has_the_draws_of_its_array(clf, want, name) -> None:
    found = dd.measure(clf, MAKERS[name](), PROBE, engine="eager")
    assert np.array_equal(found.draws, want.draws)
    assert found.ids == want.ids
    assert Measurement(clf, MAKERS[name](), PROBE, engine="eager").inputs.fingerprint()


def test_a_shuffled_loader_gives_its_own_order_and_notes_it(clf, want) -> None:
    torch.manual_seed(0)
    data = Numbers(IMAGES, LABELS)
    r = dd.measure(clf, torch.utils.data.DataLoader(data, batch_size=4, shuffle=True), PROBE, engine="eager")
    assert data.asked != sorted(data.asked)
    assert np.array_equal(r.draws, want.draws[data.asked])
    assert any("shuffles the images" in note for note in r.info["notes"])


def test_pictures_are_stretched_and_the_record_says_so(clf) -> None:
    large = [picture(x).resize((11, 9)) for x in IMAGES]
    r = dd.measure(clf, large, PROBE, engine="eager")
    small = np.stack([np.asarray(x.resize((8, 8), 2))[None] for x in large])  # 2: bilinear
    assert np.array_equal(r.draws, dd.measure(clf, small, PROBE, engine="eager").draws)
    assert "10 of 10 pictures were stretched to 8 x 8" in r.info["notes"]


def test_an_item_that_raises_stops_measure_before_any_draw(net) -> None:
    asked: list[int] = []

    def count(x: np.ndarray) -> Any:
        asked.append(len(x))
        return net(torch.from_numpy(x))

    clf = dd.as_classifier(count, input_shape=(1, 8, 8), num_classes=4)
    plain = dd.measure(clf, IMAGES[:9], PROBE, engine="eager")
    whole, asked[:] = sum(asked), []
    with pytest.raises(InputError, match="item 7 of the Numbers raised ValueError: no pixels in 7"):
        dd.measure(clf, Numbers(IMAGES, LABELS, broken=(7,)), PROBE, engine="eager")
    assert sum(asked) < whole
    assert len(plain) == 9


def test_an_item_that_raises_is_listed_and_the_run_goes_on(clf, want, tmp_path) -> None:
    data = Numbers(IMAGES, LABELS, broken=(7,))
    measure_to(Measurement(clf, data, PROBE, engine="eager", batch_size=4), tmp_path / "out", progress=False)
    manifest = read_manifest(tmp_path / "out")
    assert manifest["complete"]
    assert manifest["inputs"] == 9
    assert manifest["skipped"] == [{"path": "7", "reason": "item 7 of the Numbers raised ValueError: no pixels in 7"}]
    found = read_responses(tmp_path / "out")
    kept = [i for i in range(10) if i != 7]
    assert list(found.ids) == [str(i) for i in kept]
    assert np.array_equal(found.draws, want.draws[kept])


def test_a_run_that_was_cut_off_goes_on_with_the_same_source(clf, want, tmp_path) -> None:
    class Cut(Exception):
        pass

    run = Measurement(clf, Numbers(IMAGES, LABELS), PROBE, engine="eager", batch_size=4)
    chunks = run.chunks

    def cut(start: int = 0) -> Any:
        yield next(iter(chunks(start)))
        raise Cut

    run.chunks = cut  # type: ignore[method-assign]
    with pytest.raises(Cut):
        measure_to(run, tmp_path / "out", progress=False)
    assert not read_manifest(tmp_path / "out")["complete"]
    other = Measurement(clf, Numbers(IMAGES[::-1], LABELS), PROBE, engine="eager", batch_size=4)
    with pytest.raises(InputError, match=r"unfinished run in .*, got other images"):
        measure_to(other, tmp_path / "out", progress=False)
    measure_to(
        Measurement(clf, Numbers(IMAGES, LABELS), PROBE, engine="eager", batch_size=4), tmp_path / "out", progress=False
    )
    assert np.array_equal(read_responses(tmp_path / "out").draws, want.draws)


def test_slices_are_still_read_as_they_are_needed(clf, want) -> None:
    class Counted(Slices):
        most = 0

        def __getitem__(self, rows: slice) -> np.ndarray:
            found = super().__getitem__(rows)
            Counted.most = max(Counted.most, len(found))
            return found

    r = dd.measure(clf, Counted(IMAGES), PROBE, engine="eager", batch_size=2)
    assert np.array_equal(r.draws, want.draws)
    assert Counted.most <= 2


class OfLength(torch.utils.data.Dataset):
    def __getitem__(self, index: int) -> Any:
        return IMAGES[index]

    def __len__(self) -> int:
        return -1


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (torch.zeros(2, 1, 8, 8).to_sparse(), r"gives no array .*; convert it, such as with \.to_dense\(\)"),
        ([torch.zeros(1, 8, 8).to_sparse()], r"gives no array .*; convert it"),
        (torch.zeros(2, 1, 8, 8, device="meta"), "meta device, which has none; load its values first"),
        (
            OfLength(),
            r"len\(\) of the OfLength to give the number of items, got the error ValueError: .*; fix its __len__",
        ),
    ],
    ids=["sparse", "list of sparse", "meta", "negative length"],
)
def test_what_gives_no_pixels_is_refused_in_words(clf, source, why) -> None:
    with pytest.raises(InputError, match=why):
        dd.measure(clf, source, PROBE, engine="eager")


@pytest.mark.parametrize("images", [None, "x", torch.zeros(2, 1, 8, 8).to_sparse(), [[1], [1, 2]]])
def test_a_classifier_refuses_what_are_no_images(clf, images) -> None:
    with pytest.raises(InputError, match=r"expected images of shape \(B, 1, 8, 8\), got .*; pass"):
        clf(images)
