"""The demo in small, its reuse of finished parts, and its arithmetic; its runs on Fashion-MNIST are in docs/results/demo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import doldrum as dd
from doldrum.demo import DemoSettings, _model, _responses, run_demo

PROBE = dd.probes.Gaussian([0.1, 0.3], draws=10)
QUICK = dd.training.get_recipe("digits-mlp", epochs=4, threads=1)
SMALL = DemoSettings(recipe=QUICK, patch=2, inputs=20, pick=20, draws=10, strengths=(0.1, 0.4, 0.8, 1.6, 6.4))


def folder_of(out):
    (found,) = [p for p in out.iterdir() if p.is_dir()]
    return found


@pytest.mark.parametrize("left", ["nothing", "an unfinished run", "a draft", "half a manifest"])
def test_a_measurement_killed_at_any_point_is_made_again(clf, images, tmp_path, left) -> None:
    data = dd.ImageSet(images)
    whole = _responses(tmp_path, "clean", clf, data, PROBE, None, {})
    folder = folder_of(tmp_path)
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").unlink()
    if left != "an unfinished run":
        (folder / "part-00000.parquet").unlink()
    match left:
        case "an unfinished run":
            text = manifest.replace('"complete": true', '"complete": false')
            (folder / "manifest.json").write_text(text)
        case "a draft":
            (folder / "manifest.json.tmp").write_text("{")
        case "half a manifest":
            (folder / "manifest.json").write_text(manifest[:40])
    seconds: dict[str, float] = {}
    again = _responses(tmp_path, "clean", clf, data, PROBE, None, seconds)
    assert np.array_equal(again.draws, whole.draws)
    assert "measure clean" in seconds


def test_a_finished_measurement_is_reused(clf, images, tmp_path) -> None:
    data = dd.ImageSet(images)
    _responses(tmp_path, "clean", clf, data, PROBE, None, {})
    before = (folder_of(tmp_path) / "manifest.json").stat().st_mtime_ns
    seconds: dict[str, float] = {}
    _responses(tmp_path, "clean", clf, data, PROBE, None, seconds)
    assert (folder_of(tmp_path) / "manifest.json").stat().st_mtime_ns == before
    assert not seconds


@pytest.mark.parametrize("harm", ["a truncated shard", "a missing shard", "a manifest without keys", "fewer inputs"])
def test_a_finished_measurement_that_was_harmed_is_made_again(clf, images, tmp_path, harm) -> None:
    data = dd.ImageSet(images)
    whole = _responses(tmp_path, "clean", clf, data, PROBE, None, {})
    shard, manifest = (folder_of(tmp_path) / name for name in ("part-00000.parquet", "manifest.json"))
    match harm:
        case "a truncated shard":
            shard.write_bytes(shard.read_bytes()[:60])
        case "a missing shard":
            shard.unlink()
        case "a manifest without keys":
            manifest.write_text('{"format": "doldrum responses", "version": 1}')
        case "fewer inputs":
            import pyarrow.parquet as pq

            pq.write_table(pq.read_table(shard).slice(0, 4), shard)
    again = _responses(tmp_path, "clean", clf, data, PROBE, None, {})
    assert np.array_equal(again.draws, whole.draws)


def test_a_truncated_model_is_trained_again(tmp_path) -> None:
    digits = dd.load_dataset("digits:test")
    said: list[str] = []
    settings = DemoSettings(recipe=QUICK)
    first = _model(tmp_path, "clean", digits, settings, said.append, {})
    (path,) = tmp_path.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:200])
    again = _model(tmp_path, "clean", digits, settings, said.append, {})
    assert again.fingerprint == first.fingerprint
    assert "training again" in said[-2]
    _model(tmp_path, "clean", digits, settings, said.append, {})
    assert said[-1].startswith("reusing")


@pytest.fixture(scope="module")
def digits_demo(tmp_path_factory):
    """The demo on digits, and its folder."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("doldrum.demo.fashion_mnist", lambda split, download: dd.load_dataset(f"digits:{split}"))
        return run_demo(folder, SMALL), folder


def test_the_record_says_what_was_made_and_measured(digits_demo) -> None:
    record, folder = digits_demo
    assert dd.records.DemoRecord.load(folder / "demo.json") == record
    assert record.trigger == {"name": "patch", **dd.triggers.Patch(size=2).settings}
    assert record.scale == ""
    assert record.backdoored.asr > 0.8
    for model in record.models:
        assert (model.n_inputs, model.draws, model.sigma_half) == (20, 10, record.sigma_half)
        without, with_it = (np.mean(record.w_at_half[f"{model.name}/{kind}"]) for kind in ("clean", "triggered"))
        assert model.w_change == pytest.approx(with_it - without, abs=1e-9)
        assert model.w_change_ci[0] < model.w_change < model.w_change_ci[1]


def test_a_demo_run_again_trains_and_measures_nothing(digits_demo, monkeypatch) -> None:
    record, folder = digits_demo
    monkeypatch.setattr("doldrum.demo.fashion_mnist", lambda split, download: dd.load_dataset(f"digits:{split}"))
    again = run_demo(folder, SMALL)
    assert again.seconds == {}
    assert again.models == record.models


def test_only_seed_and_precision_keep_the_scale() -> None:
    assert [s.scale for s in (DemoSettings(), DemoSettings(seed=4, precision="bf16"))] == ["full"] * 2
    assert [s.scale for s in (DemoSettings.fast(), replace(DemoSettings.fast(), precision="fp32"))] == ["fast"] * 2
    assert [replace(DemoSettings(), **other).scale for other in ({"draws": 61}, {"patch": 3})] == ["", ""]


def test_the_fast_demo_has_less_of_everything_but_poison_and_trigger() -> None:
    fast, full = DemoSettings.fast(), DemoSettings()
    assert (fast.patch, fast.rate, fast.target) == (full.patch, full.rate, full.target)
    assert set(fast.strengths) < set(full.strengths)
    assert (fast.inputs, fast.pick, fast.draws) < (full.inputs, full.pick, full.draws)
    assert fast.pick < full.pick
    assert fast.draws < full.draws
    assert dd.training.get_recipe(fast.recipe).epochs < dd.training.get_recipe(full.recipe).epochs


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_forced_precision_is_trained_and_measured_in(precision, tmp_path) -> None:
    settings = replace(SMALL, precision=precision)
    images = dd.load_dataset("digits:test").take(range(64))
    model = _model(tmp_path, "clean", images, settings, lambda text: None, {})
    assert model.metadata["recipe"]["precision"] == precision
    images = images.take(range(4))
    found = _responses(tmp_path, "pick", model, images, PROBE, precision, {})
    assert found.info["engine"]["engine"] == "openvino"
    assert found.info["engine"]["precision"] == precision
    other = {"fp32": "bf16", "bf16": "fp32"}[precision]
    seconds: dict[str, float] = {}
    _responses(tmp_path, "pick", model, images, PROBE, other, seconds)
    assert seconds, "a measurement in another arithmetic is not reused"


@pytest.mark.parametrize("precision", ["fp16", "", 32])
def test_another_precision_is_refused(precision) -> None:
    with pytest.raises(dd.errors.InputError, match="expected a precision among"):
        DemoSettings(precision=precision)
