"""Saved detectors: the same verdicts after loading, and nothing but a detector's own file is read."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
import torch
from detector_specimens import normed_classifier
from small_nets import small_net

import doldrum as dd
from doldrum.detectors import (
    IBDPSC,
    PSBD,
    STRIP,
    Frequency,
    Guard,
    MaxSoftmax,
    ScaleUp,
    W,
    load_detector,
    save_detector,
)
from doldrum.errors import InputError


@pytest.fixture(scope="module")
def pool():
    return np.random.default_rng(1).random((300, 1, 8, 8), dtype=np.float32)


@pytest.fixture(scope="module")
def saved(clf, pool, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "guard.doldrum"
    save_detector(W(strength=0.2, draws=5).fit(clf, pool[:5]).calibrate(pool[5:200], fpr=0.02), path)
    return path


@pytest.mark.parametrize(
    "det",
    [MaxSoftmax(seed=1), W(draws=3, strength=0.2), ScaleUp(factors=(2, 3)), Frequency()],
    ids=lambda d: d.name,
)
@pytest.mark.parametrize("per_class", [False, True])
def test_a_loaded_detector_says_the_same(det, per_class, clf, pool, tmp_path):
    det.fit(clf, pool[:50]).calibrate(pool[50:250], fpr=0.3, per_class=per_class)
    again = load_detector(save_detector(det, tmp_path / "d"), clf)
    assert repr(again) == repr(det)
    assert again.seed_ == det.seed_
    a, b = det.scan(pool[250:]), again.scan(pool[250:])
    for name in ("labels", "scores", "p_values", "flags"):
        assert (getattr(a, name) == getattr(b, name)).all()
    assert (a.fpr, a.num_calibration, a.limit) == (b.fpr, b.num_calibration, b.limit)


def test_another_classifier_is_refused(saved, clf, pool):
    other = dd.as_classifier(small_net(seed=1), input_shape=(1, 8, 8), num_classes=4)
    with pytest.raises(InputError, match="got another model \\(its weights or its preprocessing differ\\)"):
        load_detector(saved, other)
    with pytest.raises(InputError, match=r"call bind\(classifier\) first"):
        load_detector(saved).scan(pool)
    assert load_detector(saved).bind(clf).scan(pool[:3]).flags.shape == (3,)


def rewritten(path, out, *, text=None, change=None, arrays=None, extra=()):
    """The file with its manifest or arrays changed."""
    with zipfile.ZipFile(path) as file:
        content = {i.filename: file.read(i.filename) for i in file.infolist()}
    manifest = json.loads(content["detector.json"])
    manifest |= change or {}
    content["detector.json"] = text if text is not None else json.dumps(manifest).encode()
    content |= arrays or {}
    with zipfile.ZipFile(out, "w") as file:
        for name, data in [*content.items(), *extra]:
            file.writestr(name, data)
    return out


def npy(array, *, pickled=False):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()


def header_only(shape):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


SCORES = "calibration.scores.npy"
HOSTILE = {
    "another format": ({"change": {"format": "other"}}, "expected a file of the format"),
    "another version": ({"change": {"version": 99}}, "expected a file of version 6, got version 99"),
    "unknown field": ({"change": {"hook": "os.system"}}, "expected the fields of a detector"),
    "unknown detector": ({"change": {"detector": "os.system"}}, "expected a detector among"),
    "detector of another type": ({"change": {"detector": ["w"]}}, "expected a detector among"),
    "unknown setting": ({"change": {"settings": {"hook": 1}}}, "cannot be read"),
    "huge draws": ({"change": {"settings": {"draws": 10**9, "strength": 0.2, "seed": None}}}, "at most 1000000 forward passes"),
    "text for draws": ({"change": {"settings": {"draws": "9", "strength": 0.2, "seed": None}}}, "expected"),
    "unknown learned": ({"change": {"learned": {"scan": 1}}}, "expected the values that the detector w learns"),
    "wrong learned": ({"change": {"learned": {"strength_": "x"}}}, "expected a strength"),
    "nan learned": ({"change": {"learned": {"strength_": float("nan")}}}, "expected a strength"),
    "seed": ({"change": {"seed": "0"}}, "expected a seed"),
    "engine": ({"change": {"engine": "curl"}}, "an engine"),
    "checked": ({"change": {"checked": {"engine": "curl"}}}, "expected the results of an earlier check"),
    "shape": ({"change": {"input_shape": [1]}}, "an input shape"),
    "too small a rate": ({"change": {"fpr": 1e-6}}, "expected at least 999999 calibration inputs"),
    "not JSON": ({"text": b"{"}, "cannot be read"),
    "deep JSON": ({"text": b"[" * 100_000}, "cannot be read"),
    "a list": ({"text": b"[]"}, "expected a file of the format"),
    "an infinite rate": ({"change": {"fpr": 1e-320}}, "cannot be read"),
    "learned of another shape": ({"arrays": {"fit.ties.npy": npy(np.zeros((2, 2)))}}, "tie breakers of fit"),
    "long text": ({"text": b" " * (1 << 21)}, "at most 1048576 bytes"),
    "pickle": ({"arrays": {SCORES: npy(np.array([{}], dtype=object), pickled=True)}}, "expected an array of numbers"),
    "a bomb": ({"arrays": {SCORES: header_only((10**12,))}}, "expected arrays of at most"),
    "negative shape": ({"arrays": {SCORES: header_only((-5,))}}, "expected"),
    "short": ({"arrays": {SCORES: npy(np.zeros(195))[:-8]}}, "expected 1560 bytes"),
    "long": ({"arrays": {SCORES: npy(np.zeros(195)) + b"x"}}, "expected 1560 bytes"),
    "other length": ({"arrays": {SCORES: npy(np.zeros(190))}}, "one score"),
    "nan scores": ({"arrays": {SCORES: npy(np.full(195, np.nan))}}, "one score"),
    "no array": ({"arrays": {SCORES: b"#!/bin/sh"}}, "cannot be read"),
    "unlisted array": ({"arrays": {"more.npy": npy(np.zeros(2))}}, "arrays that the file lists"),
    "listed but unused": (
        {"arrays": {"more.npy": npy(np.zeros(2))}, "change": {"arrays": ["calibration.scores", "calibration.ties", "fit.ties", "more"]}},
        "expected no arrays except those of the detector",
    ),
    "parent folder": ({"arrays": {"../x.npy": npy(np.zeros(2))}}, "arrays that the file lists"),
    "many entries": ({"extra": [(f"{i}.npy", b"") for i in range(300)]}, "at most 256 entries"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE, ids=lambda c: c.replace(" ", "-"))
def test_hostile_files_are_refused(case, saved, tmp_path):
    how, message = HOSTILE[case]
    bad = rewritten(saved, tmp_path / "bad.doldrum", **how)
    with pytest.raises(InputError, match=message):
        load_detector(bad)


def test_damaged_bytes_are_refused_wherever_they_lie(saved, tmp_path):
    whole, odd = saved.read_bytes(), tmp_path / "odd.doldrum"
    rng, refused = np.random.default_rng(0), 0
    for _ in range(300):
        data = bytearray(whole)
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        odd.write_bytes(data)
        try:
            load_detector(odd)
        except InputError:
            refused += 1
    assert refused > 100
    for size in range(0, len(whole), 97):
        odd.write_bytes(whole[:size])
        with pytest.raises(InputError, match="cannot be read"):
            load_detector(odd)
    unclosed = npy(np.zeros(195)).replace(b"(195,)", b"(195, ")
    with pytest.raises(InputError, match="cannot be read"):  # NumPy reads the header with the tokenizer
        load_detector(rewritten(saved, odd, arrays={SCORES: unclosed}))


WRONG_LEARNED = {
    "strip": (lambda: STRIP(draws=3), {"learned.overlays_.npy": npy(np.zeros((3, 1, 9, 9), np.float32))}, "overlay images"),
    "strip-nan": (lambda: STRIP(draws=3), {"learned.overlays_.npy": npy(np.full((3, 1, 8, 8), np.nan, np.float32))}, "overlay images"),
    "ibd-psc": (lambda: IBDPSC(), {"learned.layers_.npy": npy(np.zeros(9, int))}, "layer counts"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_LEARNED)
def test_what_was_learned_is_checked_before_any_scan(case, pool, tmp_path):
    make, arrays, message = WRONG_LEARNED[case]
    path = save_detector(make().fit(normed_classifier(), pool[:30]), tmp_path / "d")
    assert load_detector(path).learned
    with pytest.raises(InputError, match=message):
        load_detector(rewritten(path, tmp_path / "bad", arrays=arrays))


def test_a_wrong_rate_of_dropout_is_refused(pool, tmp_path):
    path = save_detector(PSBD(rate=0.5).fit(normed_classifier(), pool[:30]), tmp_path / "d")
    with pytest.raises(InputError, match="a dropout rate in"):
        load_detector(rewritten(path, tmp_path / "bad", change={"learned": {"rate_": 1.5}}))


def test_inputs_of_fit_are_known_again_after_loading(clf, pool, tmp_path):
    path = save_detector(MaxSoftmax().fit(clf, pool[:100]), tmp_path / "d")
    with pytest.raises(InputError, match="that were not used in fit, got 50% of inputs that were also used in fit"):
        load_detector(path, clf).calibrate(pool[50:150], fpr=0.1)
    load_detector(path, clf).calibrate(pool[100:150], fpr=0.1)
    with pytest.raises(InputError, match="the folder"):
        save_detector(MaxSoftmax().fit(clf, pool[:1]), tmp_path)


def test_no_file_and_no_zip_are_refused(tmp_path):
    with pytest.raises(InputError, match="which is not there"):
        load_detector(tmp_path / "none")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InputError, match="cannot be read"):
        load_detector(tmp_path / "text")
    with pytest.raises(InputError, match="expected a fitted detector"):
        save_detector(W(), tmp_path / "w")


def test_guard_turns_flagged_inputs_away(net, clf, pool):
    det = MaxSoftmax(seed=0).fit(clf, pool[:2]).calibrate(pool[2:150], fpr=0.1)
    answer = Guard(net, det)(pool[150:])
    flags = det.scan(pool[150:]).flags
    assert 0 < flags.sum() < 60
    assert (answer.labels == np.where(flags, -1, clf(pool[150:]).argmax(axis=1))).all()
    assert (Guard(net, det)(torch.tensor(pool[150:], requires_grad=True)).labels == answer.labels).all()
    with pytest.raises(InputError, match="expected a calibrated detector"):
        Guard(net, MaxSoftmax())
    with pytest.raises(InputError, match="fitted on"):
        Guard(small_net(seed=1), det)
