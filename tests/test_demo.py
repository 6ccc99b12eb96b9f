"""The demo's reuse of finished parts; the demo as a whole runs on real data and is timed elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import doldrum as dd
from doldrum.demo import _responses

PROBE = dd.probes.Gaussian([0.1, 0.3], draws=10)


def folder_of(out):
    (found,) = [p for p in out.iterdir() if p.is_dir()]
    return found


@pytest.mark.parametrize("left", ["nothing", "an unfinished run", "a draft", "half a manifest"])
def test_a_measurement_killed_at_any_point_is_made_again(clf, images, tmp_path, left) -> None:
    data = dd.ImageSet(images)
    whole = _responses(tmp_path, "clean", clf, data, PROBE, {})
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
    again = _responses(tmp_path, "clean", clf, data, PROBE, seconds)
    assert np.array_equal(again.draws, whole.draws)
    assert "measure clean" in seconds


def test_a_finished_measurement_is_reused(clf, images, tmp_path) -> None:
    data = dd.ImageSet(images)
    _responses(tmp_path, "clean", clf, data, PROBE, {})
    before = (folder_of(tmp_path) / "manifest.json").stat().st_mtime_ns
    seconds: dict[str, float] = {}
    _responses(tmp_path, "clean", clf, data, PROBE, seconds)
    assert (folder_of(tmp_path) / "manifest.json").stat().st_mtime_ns == before
    assert not seconds


@pytest.mark.parametrize("harm", ["a truncated shard", "a missing shard", "a manifest without keys", "fewer inputs"])
def test_a_finished_measurement_that_was_harmed_is_made_again(clf, images, tmp_path, harm) -> None:
    data = dd.ImageSet(images)
    whole = _responses(tmp_path, "clean", clf, data, PROBE, {})
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
    again = _responses(tmp_path, "clean", clf, data, PROBE, {})
    assert np.array_equal(again.draws, whole.draws)


def test_a_truncated_model_is_trained_again(tmp_path, monkeypatch) -> None:
    from doldrum.demo import DemoSettings, _model
    from doldrum.training import RECIPES

    monkeypatch.setitem(RECIPES, "digits-mlp", replace(RECIPES["digits-mlp"], epochs=1))
    digits = dd.load_dataset("digits:test")
    said: list[str] = []
    settings = DemoSettings(recipe="digits-mlp")
    first = _model(tmp_path, "clean", digits, settings, said.append, {})
    (path,) = tmp_path.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:200])
    again = _model(tmp_path, "clean", digits, settings, said.append, {})
    assert again.fingerprint == first.fingerprint
    assert "training again" in said[-2]
    _model(tmp_path, "clean", digits, settings, said.append, {})
    assert said[-1].startswith("reusing")
