"""cleanse and doldrum cleanse: what is dropped, what is written, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import doldrum as dd
from doldrum.cleansing import METHODS, Cleansing, Verdict, cleanse
from doldrum.cleansing.job import work as cleansing_work
from doldrum.cleansing.methods import profile
from doldrum.confined import sending as confined
from doldrum.confined.scanning import budget
from doldrum.detectors import SmoothnessProfile
from doldrum.errors import ClassifierError, InputError

ROWS = 300


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A poisoned part of digits, the network trained on it, and the files of both."""
    from doldrum.cli.attack_files import write_poisoned
    from doldrum.training import Recipe

    folder = tmp_path_factory.mktemp("made")
    train = dd.load_dataset("digits:train").take(range(ROWS))
    bad = dd.poison(train, dd.triggers.Patch(size=3), dd.PoisonPlan(rate=0.1, target=0), seed=0)
    model = dd.train(bad, Recipe(network="mlp", epochs=20, batch_size=32, lr=0.05, threads=1), seed=0, progress=False)
    write_poisoned(folder / "bad.npz", bad, attack="badnets")
    model.save(folder / "bad.safetensors")
    return folder, bad, model


@pytest.fixture(autouse=True)
def few_forwards(monkeypatch):
    """Two families in place of six: these tests are about what is done with the scores."""
    from doldrum.probes import Gaussian, PixelAblation

    def few(shape):
        return {"noise": Gaussian([0.2, 0.5], draws=5), "ablation": PixelAblation([0.3, 0.6], draws=5)}

    monkeypatch.setattr("doldrum.detectors.profile.families.default_families", few)
    monkeypatch.setattr("doldrum.confined.scanning.budget.default_families", few)


@pytest.fixture
def near(monkeypatch):
    """The work of the command in this process: the same JSON to and fro, without the confinement."""

    def here(function, argument, *, limits, on_message):
        assert function == "doldrum.cleansing.job.work:work"
        tell = lambda message: on_message(json.loads(json.dumps(message)))  # noqa: E731
        return json.loads(json.dumps(cleansing_work.work(json.loads(json.dumps(argument)), tell), allow_nan=False))

    monkeypatch.setattr(confined, "run_confined", here)
    monkeypatch.setattr(budget, "seconds_per_forward", lambda classifier, images: 1e-4)
    return here


def test_the_profile_flags_what_a_calibrated_detector_flags(made) -> None:
    _, bad, model = made
    clean = dd.load_dataset("digits:test")
    found = cleanse(model, bad, clean=clean, fpr=0.05, seed=3, progress=False)
    fit, calibration = profile.split_clean(clean)
    assert len(fit) == len(clean) // 2
    assert not set(fit.ids) & set(calibration.ids)
    want = SmoothnessProfile(seed=3).fit(model, fit).calibrate(calibration, fpr=0.05).scan(bad)
    verdict = found.verdicts["profile"]
    assert np.array_equal(verdict.scores, want.scores)
    assert np.array_equal(found.drop(), want.flags)
    assert np.array_equal(found.predicted, want.labels)
    assert found.promised
    assert verdict.details["more_than_promised"] == want.more_than_promised
    assert verdict.details["discoveries"] == len(want.flagged(0.1))
    assert found.suspicious  # 30 of 300 carry the patch
    assert found.drop()[bad.poisoned].mean() > 0.6
    assert found.drop()[~bad.poisoned].mean() < 0.1
    frame = found.to_frame()
    assert list(frame) == ["row", "id", "label", "predicted", "profile_score", "profile_p_value", "profile_drop",
                           "spectral_score", "spectral_drop", "clustering_score", "clustering_drop"]  # fmt: skip
    assert np.array_equal(frame["label"], bad.labels)


@pytest.mark.parametrize(("more", "discoveries", "suspicious"), [(True, 0, True), (False, 3, True), (False, 0, False)])
def test_suspicious_is_more_than_the_limit_or_a_set_of_discoveries(more, discoveries, suspicious) -> None:
    details = {"more_than_promised": more, "discoveries": discoveries}
    verdict = Verdict("profile", np.zeros(2), np.zeros(2, dtype=bool), "rule", details)
    assert Cleansing(["a", "b"], np.zeros(2, np.int64), None, {"profile": verdict}).suspicious is suspicious


def test_without_clean_images_the_most_suspicious_are_dropped_and_nothing_is_promised(made) -> None:
    _, bad, model = made
    found = cleanse(model, bad, methods=["profile"], rate=0.1, seed=3, progress=False)
    drop, scores = found.drop(), found.verdicts["profile"].scores
    assert drop.sum() == 45
    assert scores[drop].min() >= scores[~drop].max()
    assert (found.promised, found.suspicious) == (False, False)
    assert "no promised false-positive rate" in found.verdicts["profile"].rule
    assert "profile_p_value" not in found.to_frame()
    again = cleanse(model, bad, methods=["profile"], rate=0.1, seed=3, progress=False)
    assert np.array_equal(again.drop(), drop)


def test_two_detectors_are_scored(made) -> None:
    _, bad, model = made
    one = SmoothnessProfile(seed=5).fit(model, bad.take(range(100)))
    two = SmoothnessProfile(seed=5).fit(model, bad.take(range(100, 200)))
    (labels, first), (_, second) = one.scored(bad), two.scored(bad)
    assert np.array_equal(first, one.score_samples(bad))
    assert np.array_equal(second, two.score_samples(bad))
    assert np.array_equal(labels, dd.training.predict_labels(model, bad.images))


def test_a_black_box_gets_the_profile_alone(made) -> None:
    _, bad, model = made
    box = dd.as_classifier(lambda x: model(x).argmax(axis=1), input_shape=(1, 8, 8), num_classes=10, outputs="labels")
    found = cleanse(box, bad, seed=3, progress=False)
    assert set(found.verdicts) == {"profile"}
    assert set(found.refused) == {"spectral", "clustering"}
    with pytest.raises(InputError, match="torch module"):
        found.drop("spectral")
    with pytest.raises(ClassifierError, match="torch module"):
        cleanse(box, bad, methods=["spectral"])


def test_what_cannot_be_cleansed_is_said_before_any_work(made) -> None:
    _, bad, model = made
    other = dd.ImageSet(np.zeros((200, 1, 4, 4), np.uint8), labels=np.zeros(200, np.int64))
    few = dd.load_dataset("digits:test").take(range(60))
    for arguments, why in [
        ((lambda x: x, bad), "as_classifier"),
        ((model, dd.ImageSet(bad.images)), "with labels"),
        ((model, other), "training samples of shape"),
        ((model, dd.ImageSet(bad.images, labels=np.full(ROWS, 10))), "labels below 10"),
        ((model, bad.take(range(99))), "at least 100 samples"),
    ]:
        with pytest.raises(InputError, match=why):
            cleanse(*arguments)
    for options, why in [
        ({"methods": ["spectre"]}, "methods among profile"), ({"methods": []}, "methods among"), ({"rate": 0.9}, "rate"),
        ({"clean": other}, "clean images of shape"), ({"clean": few}, "at least 100 clean"), ({"clean": few, "fpr": 0.01}, "at least 99"),
    ]:  # fmt: skip
        with pytest.raises(InputError, match=why):
            cleanse(model, bad, **options)


def test_the_command_writes_the_list_and_a_copy_without_it_that_can_be_trained_on(
    made, call, near, one_engine, tmp_path, monkeypatch
) -> None:
    from doldrum.training import RECIPES

    monkeypatch.setitem(RECIPES, "digits-mlp", replace(RECIPES["digits-mlp"], epochs=1))
    folder, bad, model = made
    out = tmp_path / "out"
    code, summary, err = call("cleanse", folder / "bad.npz", "--model", folder / "bad.safetensors", "--out", out,
                              "--clean", "digits:test", "--seed", 3, "--json")  # fmt: skip
    assert code == 3, err
    assert "more flags than expected from clean samples alone" in err
    rows = [int(line) for line in (out / "drop.txt").read_text().split()]
    want = cleanse(model, bad, clean=dd.load_dataset("digits:test"), seed=3, progress=False)
    assert rows == np.flatnonzero(want.drop()).tolist()
    keep = np.delete(np.arange(ROWS), rows)
    with np.load(folder / "bad.npz") as before, np.load(out / "clean.npz", allow_pickle=False) as after:
        assert set(after.files) == set(before.files)
        for name in ("images", "labels", "poisoned", "cover", "original_labels"):
            assert np.array_equal(after[name], before[name][keep]), name
        assert str(after["attack"]) == str(before["attack"])
    frame = pd.read_parquet(out / "samples.parquet")
    assert np.flatnonzero(frame["profile_drop"]).tolist() == rows
    assert (summary["dropped"], summary["kept"], summary["suspicious"]) == (len(rows), len(keep), True)
    assert summary["promise"]["flagged"] == len(rows) > summary["promise"]["limit"]
    assert summary == json.loads((out / "summary.json").read_text())
    assert sum(summary["methods"]["spectral"]["dropped_by_label"]) == summary["methods"]["spectral"]["dropped"]

    code, trained, err = call(
        "train", out / "clean.npz", "--recipe", "digits-mlp", "--out", tmp_path / "again.safetensors", "--json"
    )
    assert code == 0, err
    assert trained["attack"] == "badnets"  # so that doldrum evaluate finds the trigger


def test_the_list_is_that_of_the_method_asked_for_and_a_ranking_promises_nothing(made, call, near, tmp_path) -> None:
    folder, bad, _ = made
    np.savez(tmp_path / "plain.npz", images=bad.images, labels=bad.labels)
    code, text, err = call("cleanse", tmp_path / "plain.npz", "--model", folder / "bad.safetensors", "--out", tmp_path / "out",
                           "--method", "spectral", "--rate", 0.1)  # fmt: skip
    assert code == 0, err
    assert "the samples are only ranked, and no false-positive rate is promised" in err
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["promise"] is None
    depends, limits = summary["ranking"]["means"]
    assert f"- {depends}" in err
    assert f"- {limits}" in err
    assert (
        f"{summary['ranking']['in_every_round']} of the 45 samples on its list were on the list of every round"
        in depends
    )
    assert "with a different --seed, different samples are on the list" in depends
    assert "cannot say whether any sample is poisoned" in limits
    assert all(name in text for name in METHODS)
    frame = pd.read_parquet(tmp_path / "out" / "samples.parquet")
    rows = np.loadtxt(tmp_path / "out" / "drop.txt", dtype=int)
    assert np.array_equal(rows, np.flatnonzero(frame["spectral_drop"]))
    with np.load(tmp_path / "out" / "clean.npz") as after:
        assert set(after.files) == {"images", "labels"}
        assert len(after["images"]) == ROWS - len(rows)


def test_a_clean_set_ends_with_0(made, call, near, tmp_path) -> None:
    folder, bad, _ = made
    rows = np.flatnonzero(~bad.poisoned)
    np.savez(tmp_path / "clean.npz", images=bad.images[rows], labels=np.asarray(bad.labels)[rows])
    code, summary, err = call("cleanse", tmp_path / "clean.npz", "--model", folder / "bad.safetensors", "--out", tmp_path / "out",
                              "--clean", "digits:test", "--fpr", 0.02, "--seed", 3, "--json")  # fmt: skip
    assert code == 0, err
    assert summary["suspicious"] is False
    assert summary["promise"]["flagged"] <= summary["promise"]["limit"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"--method": "spectre"}, "--method among profile"),
        ({"--model": "nowhere.onnx"}, "not there"),
        ({"--clean": "nowhere"}, "--clean as a file or folder that exists"),
        ({"--rate": "0.7"}, "rate above 0"),
        ({"--fpr": "0.00001"}, "add clean images, or pass --fpr"),
        ({"data": "nowhere.npz"}, "not there"),
        ({"data": "broken.npz"}, "whole zip"),
        ({"data": "pickled.npz"}, "never loaded"),
        ({"data": "bare.npz"}, "with labels"),
        ({"--out": "full"}, "new or empty folder"),
    ],
)
def test_what_a_user_gets_wrong_ends_with_2_and_writes_nothing(
    made, call, near, tmp_path, monkeypatch, change, why
) -> None:
    folder, bad, _ = made
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.npz").write_bytes((folder / "bad.npz").read_bytes()[:500])
    np.savez(tmp_path / "pickled.npz", images=np.array([{"a": 1}], dtype=object), labels=np.zeros(1, np.int64))
    np.savez(tmp_path / "bare.npz", images=bad.images)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    options = {"--model": folder / "bad.safetensors", "--out": "out", "--clean": "digits:test", **change}
    data = options.pop("data", folder / "bad.npz")
    code, _, err = call("cleanse", data, *(word for pair in options.items() for word in pair))
    assert code == 2
    assert why in err
    assert not (tmp_path / "out").exists()
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["notes.txt"]


def test_masks_that_do_not_fit_are_not_carried_over(made, call, near, tmp_path) -> None:
    folder, _, _ = made
    with np.load(folder / "bad.npz") as arrays:
        odd = {**arrays, "poisoned": np.zeros(7, dtype=bool)}
    np.savez(tmp_path / "odd.npz", **odd)
    code, _, err = call(
        "cleanse", tmp_path / "odd.npz", "--model", folder / "bad.safetensors", "--out", tmp_path / "out", "--seed", 1
    )
    assert code == 0, err
    with np.load(tmp_path / "out" / "clean.npz") as after:
        assert "poisoned" not in after.files
        assert "cover" in after.files
