"""Several probes, one measurement: each probe's draws are its own, and every promise of a measurement holds for all of them together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from detector_specimens import normed_classifier

import doldrum as dd
from doldrum.errors import InputError
from doldrum.measuring import Answers, Measurement, measure_to
from doldrum.measuring.battery import Battery
from doldrum.measuring.workers import worker_chunks

FEW = {
    "noise": dd.probes.Gaussian([0.1, 0.4], draws=3, seed=1),
    "moved": dd.probes.Shift([1, 2], draws=2, seed=2),
    "scaled": dd.probes.Scale([3, 5]),
}
MANY = {
    "noise": dd.probes.Gaussian([0.1, 0.4], draws=31, seed=1),
    "ablation": dd.probes.PixelAblation([0.1, 0.3, 0.6], draws=5, seed=3),
    "warp": dd.probes.Warp([0.5, 1.0], draws=20, seed=4),
}
MIXED = {
    "dropped": dd.probes.Dropout([0.3, 0.6], draws=2, where="activations", seed=5),
    **FEW,
    "layers": dd.probes.BatchNormScale([1, 2]),
}
BATTERIES = {"few": FEW, "many": MANY, "mixed": MIXED}


@pytest.fixture(scope="module")
def normed():
    return normed_classifier()


def exact(x: np.ndarray) -> np.ndarray:
    """Scores that no arithmetic rounds: whichever row an image is in, they are the same."""
    return np.stack([(x[:, :, r : r + 2] > 0.5).sum(axis=(1, 2, 3)) + r / 10 for r in range(0, 8, 2)], axis=1)


def same(a: dict, b: dict, where=slice(None)) -> bool:
    """Labels, draws, scores and readouts, in full of `b` and where asked of `a`."""
    return all(
        np.array_equal(a[n].draws[where], b[n].draws)
        and np.array_equal(a[n].labels[where], b[n].labels)
        and all(np.array_equal(a[n].readouts[k][where], b[n].readouts[k]) for k in a[n].readouts)
        for n in a
    )


@pytest.mark.parametrize("probes", [FEW, MANY], ids=["few", "many"])
def test_each_probe_gives_what_it_gives_alone(probes, images) -> None:
    clf = dd.as_classifier(exact, input_shape=(1, 8, 8), num_classes=4)
    names = ("entropy", "confidence", "change")
    together = dd.measure(clf, images, probes, readouts=names)
    assert list(together) == list(probes)
    for name, probe in probes.items():
        alone = dd.measure(clf, images, probe, readouts=names)
        assert same({name: alone}, {name: together[name]})
        assert np.array_equal(alone.scores, together[name].scores)
        assert together[name].info["probe"] == alone.info["probe"]
        assert together[name].strengths == alone.strengths


def test_probes_of_the_model_are_measured_beside_those_of_the_image(normed, images) -> None:
    together = dd.measure(normed, images, MIXED, engine="eager")
    for name, probe in MIXED.items():
        alone = dd.measure(normed, images, probe, engine="eager")
        # A draw whose two best scores tie within rounding may fall either way.
        assert (together[name].draws != alone.draws).mean() < 0.005, name
        assert np.array_equal(together[name].labels, alone.labels)
    assert len({r.draws.tobytes() for r in together.values()}) == len(MIXED)


@pytest.mark.parametrize("name", BATTERIES)
@pytest.mark.parametrize("engine", ["eager", "openvino-fp32"])
def test_labels_depend_on_no_batch_order_or_slice(name, engine, normed, images) -> None:
    probes, options = BATTERIES[name], {"engine": engine, "readouts": ["change"]}
    whole = dd.measure(normed, images, probes, **options)
    backwards = dd.measure(normed, images[::-1].copy(), probes, batch_size=7, **options)
    assert same(whole, backwards, slice(None, None, -1))
    assert same(whole, dd.measure(normed, images[5:9], probes, batch_size=1, **options), slice(5, 9))
    assert len(np.unique(whole["noise"].draws)) > 1


def test_workers_give_the_labels_of_one_process(normed, images) -> None:
    run = Measurement(normed, images, MIXED, batch_size=6, scores=True, engine="eager")
    here = list(run.chunks())
    there = list(worker_chunks(run, 2))
    assert [len(c) for c in there] == [6, 6, 6, 2]
    for a, b in zip(here, there, strict=True):
        assert same(a.responses, b.responses)
        assert np.array_equal(a.scores, b.scores)
        for key, response in b.responses.items():
            assert response.ids == a.responses[key].ids
            assert response.info == a.responses[key].info


def test_the_unperturbed_image_is_shown_first_and_once_and_all_draws_beside_it() -> None:
    shown: list[np.ndarray] = []

    def look(x: np.ndarray) -> np.ndarray:
        shown.append(x.copy())
        return (x.mean(axis=(1, 2, 3)) > 0.5).astype(int)

    clf = dd.as_classifier(look, input_shape=(1, 8, 8), num_classes=2, outputs="labels")
    images = np.random.default_rng(0).random((5, 1, 8, 8), dtype=np.float32)
    run = Measurement(
        clf, images, {"noise": dd.probes.Gaussian([0.1, 0.2], draws=30, seed=0), "scaled": dd.probes.Scale([2, 3, 4])}
    )
    assert run.battery.rows == 64
    shown.clear()
    list(run.chunks())
    assert [len(x) for x in shown] == [64] * 5
    for image, batch in zip(images, shown, strict=True):
        assert np.array_equal(batch[0], image)
        assert sum(np.array_equal(row, image) for row in batch) == 1
        assert np.array_equal(batch[61:], np.clip(image * np.float32([2, 3, 4])[:, None, None, None], 0, 1))


def test_an_empty_battery_gives_the_labels_and_scores_of_the_images(normed, images) -> None:
    found = Answers.concatenate(list(Measurement(normed, images, {}, scores=True, batch_size=7).chunks()))
    logits = normed(images).astype(float)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert found.scores == pytest.approx(p / p.sum(axis=1, keepdims=True), abs=1e-6)
    assert np.array_equal(found.labels, logits.argmax(axis=1))
    assert not found.responses
    with pytest.raises(InputError, match="at least one probe, got an empty mapping"):
        dd.measure(normed, images, {})


def test_invalid_labels_are_counted_once() -> None:
    def brittle(x: np.ndarray) -> np.ndarray:
        return np.where((x[:, 0, 0] > 0.95).any(axis=1)[:, None], np.nan, x[:, 0, 0, :4])

    clf = dd.as_classifier(brittle, input_shape=(1, 8, 8), num_classes=4)
    x = np.full((3, 1, 8, 8), 0.1, np.float32)
    x[1] = 1
    both = {"a": dd.probes.Scale([1.5, 2]), "b": dd.probes.Scale([20])}
    with pytest.warns(
        UserWarning, match="for 6 draws or inputs"
    ):  # the white one, its three draws, and two of the others
        dd.measure(clf, x, both)


def test_what_takes_one_probe_says_so(clf, images, tmp_path) -> None:
    with pytest.raises(InputError, match="measurement of one probe, got 3"):
        measure_to(Measurement(clf, images, FEW), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="one probe that perturbs images"):
        dd.measure(clf, images, FEW, until=dd.until.Decided(0.2))
    with pytest.raises(InputError, match="expected a probe, got str"):
        dd.measure(clf, images, {**FEW, "b": "noise"})  # pyright: ignore[reportArgumentType]


def test_a_part_of_the_rows_is_what_the_whole_has_there() -> None:
    battery, image = Battery(MANY, (1, 8, 8)), np.random.default_rng(2).random((1, 8, 8), dtype=np.float32)
    whole = np.empty((battery.rows, 1, 8, 8), np.float32)
    battery.fill(image, 0, battery.rows, whole)
    rng = np.random.default_rng(3)
    for a, b in np.sort(rng.integers(0, battery.rows + 1, (50, 2)), axis=1):
        part = np.empty((b - a, 1, 8, 8), np.float32)
        battery.fill(image, int(a), int(b), part)
        assert np.array_equal(part, whole[a:b])


@pytest.mark.parametrize("clip", [False, True])
def test_rows_made_on_the_models_device_are_the_same_bits(clip, images) -> None:
    """On a CPU here, where torch rounds as a GPU does: a product, then a sum. `tests/engines/test_engines_cuda.py` asks a GPU."""
    noise = {
        "gaussian": dd.probes.Gaussian([0.1, 0.4], draws=5, seed=1, clip=clip),
        "uniform": dd.probes.Uniform([0.3], draws=4, seed=1, clip=clip),
        "band": dd.probes.BandNoise([0.2], draws=4, seed=1, clip=clip),
    }
    for probes in (noise, FEW, MANY):
        battery = Battery(probes, (1, 8, 8))
        for start, stop in ((0, battery.rows), (0, 1), (3, 9), (2, 3)):
            here = np.empty((len(images), stop - start, 1, 8, 8), np.float32)
            for image, out in zip(images, here, strict=True):
                battery.fill(image, start, stop, out)
            there = torch.full(here.shape, torch.nan)
            battery.fill_on(images, start, stop, there)
            assert np.array_equal(there.numpy(), here)


def test_a_part_takes_some_draws_of_each_condition(images) -> None:
    """Rows of a part are those of the whole, and so are its answers; a batch has the rows of one image, and no more."""
    shown: list[int] = []

    def model(x: np.ndarray) -> np.ndarray:
        shown.append(len(x))
        return exact(x)

    clf = dd.as_classifier(model, input_shape=(1, 8, 8), num_classes=4)
    run = Measurement(clf, images, MANY)
    whole = Answers.concatenate(list(run.chunks()))
    draws = {"noise": range(2, 7), "warp": range(20)}
    part = run.part(draws)
    shown.clear()
    (found,) = part.answer([(images, [str(i) for i in range(len(images))])])
    assert shown == [51] * len(images)
    assert np.array_equal(found.labels, whole.labels)
    for name, each in draws.items():
        assert np.array_equal(found.responses[name].draws, whole.responses[name].draws[:, :, each.start : each.stop])
    assert list(found.responses) == ["noise", "warp"]
    assert run.part(draws) is part


def test_a_part_of_more_rows_than_a_batch_holds_is_cut(images) -> None:
    shown: list[int] = []

    def model(x: np.ndarray) -> np.ndarray:
        shown.append(len(x))
        return exact(x)

    run = Measurement(dd.as_classifier(model, input_shape=(1, 8, 8), num_classes=4), images, MANY)
    shown.clear()
    list(run.part({"noise": range(31), "warp": range(1, 20)}).answer([(images[:2], ["a", "b"])]))
    assert shown == [51, 51] * 2  # 62 + 38 and the image itself: 101 rows, in two batches


def test_a_part_has_draws_of_images_alone(clf, images) -> None:
    with pytest.raises(InputError, match=r"that perturbs images .*, got 'dropped'"):
        Measurement(normed_classifier(), images, MIXED).part({"dropped": range(1)})
    with pytest.raises(InputError, match=r"that perturbs images .*, got 'other'"):
        Measurement(clf, images, FEW).part({"other": range(1)})
    with pytest.raises(InputError, match="without until="):
        Measurement(clf, images, FEW["noise"], until=dd.until.Decided(0.2)).part({"gaussian": range(1)})
