"""Watch: what it says of clean, changed and triggered streams, how often it errs, and that it goes on from its state."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from doldrum.data import ImageSet
from doldrum.detectors import Calibration, Guard, MaxSoftmax, W, Watch
from doldrum.detectors.deploy.scanning import scan_to
from doldrum.errors import InputError

N = 1000


def calibration_of(chance, n=N, fpr=0.01, groups=None):
    return Calibration(chance.normal(size=n), chance.random(n), fpr=fpr, seed=0, groups=groups)


def p_of(calibration, scores, chance, groups=None):
    return calibration.p_values(scores, chance.random(len(scores)), groups)


def stream_of(calibration, chance, *parts):
    return p_of(calibration, np.concatenate(parts), chance)


def with_trigger(chance, length, share, at=6.0):
    return np.where(chance.random(length) < share, at, chance.normal(size=length))


def test_clean_streams_are_as_calibrated():
    chance = np.random.default_rng(0)
    held = calibration_of(chance)
    watch = Watch(held)
    assert watch.verdict.kind == "as calibrated"
    found = watch.update(p_of(held, chance.normal(size=20_000), chance))
    assert (found.kind, found.images, found.drift_at, found.flags_at) == ("as calibrated", 20_000, None, None)
    assert 100 < found.flagged < 320
    assert found.alpha == 0.01


@pytest.mark.parametrize(("n", "fpr", "group_count"), [(N, 0.01, 0), (120, 0.05, 0), (30, 0.3, 0), (600, 0.05, 4)])
def test_the_error_probability_holds(n, fpr, group_count):
    said = 0
    for run in range(40):
        chance = np.random.default_rng(run)
        groups = chance.integers(0, group_count, n) if group_count else None
        held = calibration_of(chance, n, fpr, groups)
        labels = chance.integers(0, max(1, group_count), 2000)
        p = p_of(held, chance.normal(size=2000), chance, labels)
        said += Watch(held, alpha=0.1).update(p, labels=labels).kind != "as calibrated"
    assert said <= 9  # of 40 at 10%: more come with a probability of .5%


@pytest.mark.parametrize("shift", [1.0, 0.3, -0.3])
def test_drift_is_called_drift(shift):
    chance = np.random.default_rng(1)
    held = calibration_of(chance)
    found = Watch(held).update(stream_of(held, chance, chance.normal(size=5000), chance.normal(shift, size=3000)))
    assert found.kind == "drift"
    assert "calibrate again" in found.words
    assert 5000 < found.drift_at < 6500
    assert 4800 < found.drift_since < 5300


def test_one_percent_of_triggered_images_is_called_an_attack():
    chance = np.random.default_rng(2)
    held = calibration_of(chance)
    found = Watch(held).update(stream_of(held, chance, chance.normal(size=5000), with_trigger(chance, 4000, 0.01)))
    assert found.kind == "attack"
    assert "attack is likely" in found.words
    assert found.drift_at is None
    assert 5000 < found.flags_at < 8000
    assert 4800 < found.flags_since < 5800


def test_many_flags_at_once_are_open_until_enough_has_come_to_tell():
    chance = np.random.default_rng(3)
    held = calibration_of(chance)
    watch = Watch(held)
    watch.update(stream_of(held, chance, chance.normal(size=2000)))
    found = watch.update(stream_of(held, chance, with_trigger(chance, 60, 0.5)))
    assert found.kind == "open"
    assert watch.update(stream_of(held, chance, with_trigger(chance, 1000, 0.5))).kind == "attack"
    # Of another kind altogether: flagged at once, and drift a little later.
    watch = Watch(held)
    assert watch.update(stream_of(held, chance, chance.normal(2.5, size=8))).kind == "open"
    assert watch.update(stream_of(held, chance, chance.normal(2.5, size=400))).kind == "drift"


def test_it_is_alike_however_the_stream_is_cut_and_goes_on_from_its_state():
    chance = np.random.default_rng(4)
    held = calibration_of(chance)
    p = stream_of(held, chance, chance.normal(size=1500), with_trigger(chance, 1500, 0.1))
    whole = Watch(held, alpha=0.05)
    whole.update(p)
    cut = Watch(held, alpha=0.05)
    for part in np.split(p, [1, 2, 30, 1520, 1600]):
        cut.update(part)
        cut = Watch.restored(held, json.loads(json.dumps(cut.state())))
    assert cut.verdict == whole.verdict
    assert whole.verdict.kind == "attack"
    assert json.loads(json.dumps(whole.verdict.to_dict()))["kind"] == "attack"


def test_only_a_state_of_the_same_calibration_is_taken():
    chance = np.random.default_rng(5)
    held, other = calibration_of(chance), calibration_of(chance)
    state = Watch(held).state()
    with pytest.raises(InputError, match="with this calibration"):
        Watch.restored(other, state)
    for wrong in (None, [], {}, {**state, "version": 0}, {**state, "images": -1}, {**state, "images": "1"}, {**state, "drift": 3},
                  {**state, "alpha": 2}, {**state, "flags": state["drift"]}):  # fmt: skip
        with pytest.raises(InputError):
            Watch.restored(held, wrong)


def hostile_states(good):
    """What somebody could have written into a state."""
    whole = (-1, 10**400, 10**30, 1 << 63, 1.0, True, "1", None, math.nan, math.inf, [], {}, [[1]])
    for name in ("images", "flagged", "alpha", "version", "drift", "flags"):
        yield from ({**good, name: value} for value in whole)
    for part in ("drift", "flags"):
        inner = good[part]
        for name, held in inner.items():
            values = [*whole, 10**6]
            if isinstance(held, list):
                values = [*whole, held[:-1], [held]]
                for leaf in (10**400, 1e30, 1e308, -1e308, True, "1", None, *([0.5] if name != "won" else [])):
                    values.append(np.full(np.shape(held), leaf, dtype=object).tolist())
                if name == "capital":
                    values.append([1e200] * len(held))
            elif name in ("log_capital", "peak"):
                values = [*(v for v in whole if v != 1.0 or v is True), -2.0, 50.0]
            yield from ({**good, part: {**inner, name: value}} for value in values)
        for alarm, since in ((good["images"] + 1, 0), (3, 4)):
            yield {**good, part: {**inner, "alarm": alarm, "since": since, "peak": 400.0}}


def test_a_hostile_state_is_refused_and_never_raises_anything_else():
    chance = np.random.default_rng(5)
    held = calibration_of(chance)
    watch = Watch(held)
    watch.update(chance.integers(1, len(held) + 2, 100) / (len(held) + 1))
    good = json.loads(json.dumps(watch.state()))
    assert Watch.restored(held, good).verdict == watch.verdict
    states = list(hostile_states(good))
    assert len(states) > 300
    for state in states:
        print({k: v for k, v in state.items() if v != good[k]})
        with pytest.raises(InputError):
            Watch.restored(held, state)


def test_an_image_without_a_finite_answer_is_counted_and_not_watched(clf):
    held = calibration_of(np.random.default_rng(5))
    watch = Watch(held)
    lowest = np.full(500, 1 / (len(held) + 1))
    assert watch.update(lowest, labels=np.full(500, -1)).kind == "as calibrated"
    assert (watch.verdict.images, watch.verdict.flagged) == (500, 500)
    assert watch.update(lowest, labels=np.zeros(500, int)).kind != "as calibrated"


def test_a_watch_that_fails_costs_no_answer_and_is_said_once(clf, caplog, monkeypatch):
    images = np.random.default_rng(8).random((240, 1, 8, 8), dtype=np.float32)
    guard = Guard(clf, W(strength=0.2, draws=3, seed=0).fit(clf, images[:60]).calibrate(images[60:200], fpr=0.05))
    wanted = guard(images[200:220]).labels.tolist()
    monkeypatch.setattr(Watch, "see", lambda *args, **kwargs: [][0])
    assert guard(images[200:240]).labels.tolist()[:20] == wanted
    guard(images[:20])
    assert [one.getMessage()[:16] for one in caplog.records] == ["the watch failed"]


def test_what_cannot_be_is_refused():
    chance = np.random.default_rng(6)
    held = calibration_of(chance)
    for alpha in (0, 1, "x", True):
        with pytest.raises(InputError, match="alpha"):
            Watch(held, alpha=alpha)
    with pytest.raises(InputError, match="detector's calibration"):
        Watch(None)  # type: ignore[arg-type]
    for p in ([0.0], [1.5], [np.nan], [[0.5]]):
        with pytest.raises(InputError, match="p-values"):
            Watch(held).update(p)
    for p in (0.0123, 0.0004):
        with pytest.raises(InputError, match="calibration, got p-values of another calibration"):
            Watch(held).update([p])
    classes = calibration_of(chance, 400, 0.05, np.repeat([0, 1], 200))
    with pytest.raises(InputError, match="labels together with"):
        Watch(classes).update([0.5])
    with pytest.raises(InputError, match="one label per p-value"):
        Watch(classes).update([0.5], labels=[0, 1])


def test_with_classes_another_mix_of_them_is_no_drift_and_those_without_calibration_are_left_out():
    chance = np.random.default_rng(7)
    groups = np.repeat([0, 2], 500)
    scores = chance.normal(size=1000) + 3 * groups
    held = Calibration(scores, chance.random(1000), fpr=0.01, seed=0, groups=groups)
    labels = np.repeat([2, -1, 7], [3000, 50, 50])
    values = chance.normal(size=3100) + 6
    found = Watch(held).update(p_of(held, values, chance, labels), labels=labels)
    assert (found.kind, found.images) == ("as calibrated", 3100)
    plain = Calibration(scores, chance.random(1000), fpr=0.01, seed=0)
    assert Watch(plain).update(p_of(plain, values, chance)).kind != "as calibrated"
    shifted = Watch(held).update(p_of(held, values + 0.5, chance, labels), labels=labels)
    assert shifted.kind == "drift"


def test_a_guard_shows_its_watch_each_image_once(clf):
    images = np.random.default_rng(8).random((400, 1, 8, 8), dtype=np.float32)
    det = W(strength=0.2, draws=3, seed=0).fit(clf, images[:60]).calibrate(images[60:200], fpr=0.05)
    guard = Guard(clf, det)
    for start in (200, 201, 240):
        guard(images[start : start + 40])
    alone = Watch(det.calibration)
    for start in (200, 240):
        alone.update(det.scan(images[start : start + 40]))
    assert guard.watch.verdict == alone.verdict
    assert guard.watch.verdict.images == 80
    for _ in range(300):  # a probe
        guard(images[200:201])
    assert guard.watch.verdict == alone.verdict
    again = Guard(clf, det, watch=Watch.restored(det.calibration, guard.watch.state()))
    again(images[280:290])
    assert again.watch.verdict.images == 90
    with pytest.raises(InputError, match="Watch of the detector's calibration"):
        Guard(clf, det, watch=Watch(calibration_of(np.random.default_rng(0))))


def test_a_scan_says_whether_its_images_are_like_those_calibrated_on(clf, tmp_path):
    chance = np.random.default_rng(9)
    images = ImageSet(chance.random((1400, 1, 8, 8), dtype=np.float32))
    det = MaxSoftmax(seed=0).fit(clf, images.take(range(10))).calibrate(images.take(range(10, 600)), fpr=0.05)
    rest = images.take(range(600, 1400))
    # A folder in the order of its classes, say: no order in time, and no drift.
    in_order = rest.take(np.argsort(det.score_samples(rest)))
    clean = scan_to(det, in_order, tmp_path / "clean", progress=False)
    assert clean["watch"] == {
        "kind": "as calibrated", "words": "the images are like the calibration images, as far as the watch can tell", "alpha": 0.01,
    }  # fmt: skip
    assert Watch(det.calibration).update(det.scan(in_order)).kind == "drift"
    darker = ImageSet(in_order.images * np.float32(0.3))
    assert scan_to(det, darker, tmp_path / "darker", progress=False)["watch"]["kind"] == "drift"
    assert json.loads((tmp_path / "darker" / "manifest.json").read_text())["watch"]["kind"] == "drift"
