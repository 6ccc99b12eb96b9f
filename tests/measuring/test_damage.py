"""Folders that were damaged since they were written, or can't be written at all: said in words, mended where possible."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import doldrum as dd
from doldrum.errors import InputError
from doldrum.measuring import Measurement, measure_to
from doldrum.measuring.stored import begun, check_new_folder, engine_name

PROBE = dd.probes.Gaussian([0.1, 0.3], draws=30, seed=1)


@pytest.fixture
def unfinished(clf, images, tmp_path_factory, cut_off):
    """The first two shards of four."""
    out = tmp_path_factory.mktemp("damage") / "out"
    run = Measurement(clf, images, PROBE, batch_size=5)
    cut_off(run, after=2)
    with pytest.raises(KeyboardInterrupt):
        measure_to(run, out)
    return out


def copy(unfinished, tmp_path):
    return shutil.copytree(unfinished, tmp_path / "out")


@pytest.mark.parametrize("harm", ["gone", "cut", "flipped", "another's"])
@pytest.mark.parametrize("which", [0, 1])
def test_a_damaged_shard_is_measured_again(unfinished, clf, images, tmp_path, harm, which) -> None:
    out = copy(unfinished, tmp_path)
    shard, other = out / f"part-{which:05d}.parquet", out / f"part-{1 - which:05d}.parquet"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 4
    {
        "gone": shard.unlink,
        "cut": lambda: shard.write_bytes(data[:200]),
        "flipped": lambda: shard.write_bytes(data),
        "another's": lambda: shutil.copy(other, shard),
    }[harm]()
    with pytest.raises(InputError, match=r"Parquet shard.*measure again"):
        dd.read_responses(out)
    with pytest.warns(UserWarning, match=rf"part-0000{which}.*the {1 - which} shards after it are measured again"):
        measure_to(Measurement(clf, images, PROBE, batch_size=7), out)
    whole, back = dd.measure(clf, images, PROBE), dd.read_responses(out)
    assert np.array_equal(back.draws, whole.draws)
    assert back.ids == whole.ids
    listed = {s["file"] for s in back.info["shards"]}
    assert {p.name for p in out.glob("*.parquet")} == listed


MISFITS = {
    "complete": [None, "no"],
    "inputs": ["20", 3, None],
    "shards": [None, {"a": 1}, ["part-00000.parquet"], [{"file": "part-00000.parquet", "inputs": "5"}],
               [{"file": "part-00000.parquet", "inputs": -5}]],
    "engine": [None, "eager"],
    "invalid": ["0"],
    "level": [None],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in MISFITS.items() for value in values])
def test_a_manifest_of_the_wrong_kind_is_refused_in_words(unfinished, clf, images, tmp_path, name, value) -> None:
    out = copy(unfinished, tmp_path)
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps(manifest | {name: value}))
    for call in (begun, dd.read_responses, lambda o: measure_to(Measurement(clf, images, PROBE), o)):
        with pytest.raises(InputError, match=f"wrong values of {name}.*measure again"):
            call(out)


def test_another_count_of_inputs_than_the_shard_has_is_refused(unfinished, tmp_path) -> None:
    out = copy(unfinished, tmp_path)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["shards"][0]["inputs"] = 4
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"expected 8 rows.*got 10"):
        dd.read_responses(out)


def test_a_run_goes_on_with_its_engine_and_says_which(unfinished, clf, images, tmp_path) -> None:
    out = copy(unfinished, tmp_path)
    manifest = begun(out)
    assert manifest is not None
    name = engine_name(manifest)
    assert Measurement(clf, images, PROBE, engine=name).info["engine"]["engine"] == name.split("-")[0]
    other = "onnxruntime" if name == "eager" else "eager"
    with pytest.raises(InputError, match=f"got engine='{other}.*it began with engine='{name}'"):
        measure_to(Measurement(clf, images, PROBE, engine=other), out)
    assert begun(tmp_path / "new") is None


def test_other_versions_are_said(unfinished, clf, images, tmp_path) -> None:
    out = copy(unfinished, tmp_path)
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["versions"]["numpy"] = "1.0"
    (out / "manifest.json").write_text(json.dumps(manifest))
    with pytest.warns(UserWarning, match=r"numpy 1\.0, now"):
        measure_to(Measurement(clf, images, PROBE), out)


def test_a_folder_that_cannot_be_written_to_is_said_before_any_work(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="folder that can be written to"):
        check_new_folder(tmp_path / "file" / "x")
    check_new_folder(tmp_path / "new" / "newer")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]

    def read_only(path, *args, **options):  # permissions alone don't stop root
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "touch", read_only)
    with pytest.raises(InputError, match=r"folder that can be written to, got .*newer \(Read-only file system\)"):
        check_new_folder(tmp_path / "new" / "newer")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_what_the_classifier_cannot_read_is_not_called_a_full_disk(tmp_path, images) -> None:
    calls = []

    def far(x):
        calls.append(len(x))
        if len(calls) > 20:
            raise ConnectionError("no route to host")
        return x.reshape(len(x), -1)[:, :3]

    clf = dd.as_classifier(far, input_shape=(1, 8, 8), num_classes=3)
    with pytest.raises(ConnectionError, match=r"^no route to host$"):
        measure_to(Measurement(clf, images, PROBE, batch_size=5), tmp_path / "out")
