"""`doldrum calibrate` and `scan`: what they say of themselves. What they do is tested with the detectors."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from doldrum.cli.commands.detect import _outlook
from doldrum.detectors import DETECTORS, SmoothnessProfile, load_detector
from doldrum.detectors.profile.outlook import Outlook
from doldrum.stats.proportions import Interval


def test_help_lists_every_detector(call) -> None:
    """The list is written out there: reading it from `doldrum.detectors` would make each start of `doldrum` slower."""
    code, text, _ = call("calibrate", "--help")
    assert code == 0
    # A long line is broken between words, and after the hyphen of a name.
    listed = re.search(r"--detector <str> +The\s+detector,\s+one\s+of\s(.*?)\.", re.sub(r"-\s+", "-", text), re.DOTALL)
    assert listed is not None
    assert [name.strip() for name in re.split(r",\s+", listed[1])] == list(DETECTORS)


def test_with_a_promise_within_classes_the_number_is_said_to_be_of_the_smallest(call, model, tmp_path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (400, 1, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "clean.npz", images=images)
    words = ["calibrate", model, tmp_path / "clean.npz", "--fpr", "0.2", "--detector", "max-softmax", "--out"]
    code, _, said = call(*words, tmp_path / "a", "--per-class")
    assert code == 0, said
    found = re.search(
        r"With (\d+) calibration images of the smallest class, the actual false-positive rate is between",
        " ".join(said.split()),
    )
    assert found is not None
    assert int(found[1]) < 100  # of 200, in four classes
    code, _, said = call(*words, tmp_path / "b")
    assert "With 200 calibration images, the actual false-positive rate is between" in " ".join(said.split())


def test_a_scan_writes_a_result_for_each_image_that_it_flags(call, model, tmp_path, monkeypatch) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("clean.npz", images=rng.integers(0, 256, (120, 1, 8, 8), dtype=np.uint8))
    (tmp_path / "inbox").mkdir()
    for i in range(40):
        Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8)).save(f"inbox/{i:02d} [{i}].png")
    (tmp_path / "inbox" / "broken.png").write_bytes(b"\x89PNG")
    words = ("--detector", "max-softmax", "--fpr", "0.3", "--seed", "0", "--out", "guard")
    assert call("calibrate", model, "clean.npz", *words)[0] == 0
    scan = ("scan", model, "inbox", "--detector", "guard", "--sarif", "doldrum.sarif", "--out")
    code, found, _ = call(*scan, "verdicts", "--json")
    assert code == (3 if found["suspicious"] else 0)
    (run,) = json.loads((tmp_path / "doldrum.sarif").read_text())["runs"]
    rows = pd.concat(pd.read_parquet(tmp_path / "verdicts" / shard["file"]) for shard in found["shards"])
    assert found["flagged"] > 2
    uris = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run["results"]}
    assert uris == {f"inbox/{name[:2]}%20%5B{int(name[:2])}%5D.png" for name in rows["id"][rows["flag"]]}
    (told,) = run["invocations"][0]["toolExecutionNotifications"]
    assert told["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "inbox/broken.png"
    code, _, said = call(*scan[:-2], "inbox/a.sarif", "--out", "other")
    assert code == 2
    assert "expected --sarif outside of inbox, which holds the images" in said


def test_workers_with_confined_models_give_what_one_process_gives(call, model, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (300, 1, 8, 8), dtype=np.uint8)
    np.save("clean.npy", images[:200])
    np.save("new.npy", images[200:])
    found = []
    for name, workers in (("one", []), ("two", ["--workers", "2"])):
        words = ["clean.npy", "--detector", "max-softmax", "--fpr", "0.05", "--seed", "1", "--out", f"{name}.doldrum"]
        code, _, said = call("calibrate", model, *words, *workers)
        assert code == 0, said
        words = ["new.npy", "--detector", "one.doldrum", "--out", name, "--json"]
        code, summary, said = call("scan", model, *words, *workers)
        assert code in (0, 3), said
        found.append((summary | {"out": ""}, (tmp_path / name / "part-00000.parquet").read_bytes()))
    assert found[0] == found[1]
    one, two = (load_detector(f"{name}.doldrum").calibration for name in ("one", "two"))
    assert one is not None
    assert two is not None
    assert np.array_equal(one.scores, two.scores)
    assert not list(tmp_path.glob("*.resume"))


@pytest.mark.parametrize("command", ["calibrate", "scan", "measure", "audit"])
def test_workers_that_cannot_be_are_refused_before_any_work(command, call, model, tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 1, 8, 8), np.uint8))
    images = ["--images", tmp_path / "x.npy"] if command == "audit" else [tmp_path / "x.npy"]
    more = ["--detector", "none.doldrum"] if command == "scan" else []
    words = [*images, *more, "--out", tmp_path / "out", "--workers"]
    code, _, said = call(command, model, *words, "0")
    assert (code, "at least 1 as workers, got 0" in said) == (2, True)
    if command in ("calibrate", "measure"):
        bounds = ["--num-classes", "4", "--size", "8", "--outputs", "labels", "--endpoint-queries", "9"]
        code, _, said = call(command, "http://127.0.0.1:1/x", *words, "2", *bounds)
        assert code == 2
        assert (
            "expected --endpoint-queries with one process, because each process would count only its own images, got several"
            in said
        )


def test_of_few_images_calibration_gets_what_it_needs_and_what_the_rest_will_give_is_said(
    call, model, tmp_path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (30, 1, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "clean.npz", images=images)
    code, summary, said = call(
        "calibrate", model, tmp_path / "clean.npz", "--fpr", "0.05", "--json", "--out", tmp_path / "guard"
    )
    assert code == 0, said
    assert (summary["fit"], summary["calibration"]) == (11, 19)
    told = " ".join(said.split())
    expected = summary["outlook"]
    assert f"learned from 11 images, without any image for {expected['classes_without']} of the 4 classes" in told
    assert f"flags about {expected['found']:.0%}" in told
    assert "checked only with models of ten classes" in told
    assert 0 <= expected["unlucky"] <= expected["found"] + 1e-9 <= 1


@pytest.mark.parametrize(("without", "told"), [(5, "flags about 70%"), (6, "too few images per class to estimate")])
def test_no_estimate_is_printed_if_most_classes_have_no_image(without, told, capsys, monkeypatch) -> None:
    found = Outlook(20, 10, without, 0.7, 0.5, Interval(0.05, 0.01, 0.1))
    monkeypatch.setattr(SmoothnessProfile, "outlook", lambda self, **_: found)
    summary = _outlook(SmoothnessProfile(seed=0), 20, 0.05)["outlook"]
    said = " ".join(capsys.readouterr().err.split())
    assert told in said
    assert (summary["found"] is None, "simulated triggers" in said) == (without > 5, without <= 5)


def test_too_few_clean_images_are_told_what_would_do(call, model, tmp_path) -> None:
    np.save(tmp_path / "clean.npy", np.random.default_rng(0).integers(0, 256, (28, 1, 8, 8), dtype=np.uint8))
    code, _, said = call("calibrate", model, tmp_path / "clean.npy", "--fpr", 0.05, "--out", tmp_path / "guard")
    assert code == 2
    assert (
        "expected at least 29 clean images for --fpr 0.05 (10 to fit and 19 to calibrate), got 28; add clean images, or pass --fpr 0.053"
        in " ".join(said.split())
    )
