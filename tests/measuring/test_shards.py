from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

import doldrum as dd
from doldrum.errors import InputError
from doldrum.measuring import Measurement, measure_to, read_manifest

PROBE = dd.probes.Gaussian([0.1, 0.3], draws=30, seed=1)


def test_what_is_written_comes_back(clf, images, tmp_path) -> None:
    measure_to(Measurement(clf, images, PROBE, batch_size=6), tmp_path / "out")
    back, direct = dd.read_responses(tmp_path / "out"), dd.measure(clf, images, PROBE)
    assert np.array_equal(back.draws, direct.draws)
    assert np.array_equal(back.labels, direct.labels)
    assert back.ids == direct.ids
    assert back.strengths == direct.strengths
    assert back.num_classes == direct.num_classes
    assert back.info["probe"] == direct.info["probe"]
    assert back.info["complete"] is True


def test_a_shard_holds_one_row_per_input_and_strength(clf, images, tmp_path) -> None:
    measure_to(Measurement(clf, images, PROBE, batch_size=6), tmp_path / "out")
    shards = sorted((tmp_path / "out").glob("*.parquet"))
    assert len(shards) == 4
    frame = pq.read_table(shards[0]).to_pandas()
    assert len(frame) == 12
    w = dd.smoothness(dd.measure(clf, images[:6], PROBE))
    assert np.allclose(frame.w, w.value.ravel())
    assert np.allclose(frame.w_upper, w.upper.ravel())
    counts = dd.measure(clf, images[:6], PROBE).counts.reshape(12, -1)
    assert frame.dominant.tolist() == counts.argmax(1).tolist()
    assert (frame.dominant_lower < counts.max(1) / 30).all()


def test_an_interrupted_run_leaves_whole_shards(clf, images, tmp_path, cut_off) -> None:
    run = Measurement(clf, images, PROBE, batch_size=6)
    cut_off(run, after=2)
    with pytest.raises(KeyboardInterrupt):
        measure_to(run, tmp_path / "out")
    back = dd.read_responses(tmp_path / "out")
    assert len(back) == 12
    assert back.info["complete"] is False
    assert np.array_equal(back.draws, dd.measure(clf, images[:12], PROBE).draws)


def test_a_folder_in_use_is_refused_and_left_alone(clf, images, tmp_path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="new or empty folder"):
        measure_to(Measurement(clf, images, PROBE), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_folders_that_are_not_ours_are_refused(clf, images, tmp_path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json"):
        read_manifest(tmp_path)
    for text in ("{", "[]", '{"format": "other"}'):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(InputError, match="expected"):
            read_manifest(tmp_path)
    out = tmp_path / "out"
    measure_to(Measurement(clf, images, PROBE), out)
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(InputError, match="format version"):
        dd.read_responses(out)
    (out / "manifest.json").write_text(json.dumps(manifest))
    (out / "part-00000.parquet").write_bytes(b"not parquet")
    with pytest.raises(InputError, match="Parquet shard"):
        dd.read_responses(out)


@pytest.mark.parametrize("harm", ["no strengths", "no shards", "no column", "strengths of another length"])
def test_a_misfit_of_manifest_and_shards_is_refused_in_words(clf, images, tmp_path, harm) -> None:
    out = tmp_path / "out"
    measure_to(Measurement(clf, images, PROBE), out)
    manifest = json.loads((out / "manifest.json").read_text())
    if harm == "no column":
        shard = out / "part-00000.parquet"
        pq.write_table(pq.read_table(shard).drop_columns(["draws"]), shard)
    elif harm == "strengths of another length":
        manifest["strengths"] = [0.1, 0.2, 0.3]
    else:
        del manifest[harm.removeprefix("no ")]
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="measure again"):
        dd.read_responses(out)
