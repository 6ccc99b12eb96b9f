"""Scans shard by shard on this machine; those at an address are in tests/remote."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from shard_sample import NEW, calibrated, tar_of

from doldrum.detectors import Detector
from doldrum.detectors.deploy import sharded
from doldrum.detectors.deploy.sharded import is_unfinished_at, scan_shards
from doldrum.errors import InputError, StorageError


@pytest.fixture(scope="module")
def detector() -> Detector:
    return calibrated()


@pytest.fixture
def shards(tmp_path) -> Path:
    """130 images in five tars."""
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(5):
        (folder / f"s-{i:02d}.tar").write_bytes(tar_of(NEW.images[26 * i : 26 * i + 26], 26 * i))
    return folder


def rows(out: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(p) for p in sorted(out.rglob("*.parquet"))], ignore_index=True)


def files(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def test_shards_have_the_verdicts_of_one_scan(detector, shards, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sharded, "_PIECE", 20)
    found = scan_shards(detector, f"{shards}/s-{{00..04}}.tar", tmp_path / "out", progress=False)
    direct, got = detector.scan(NEW), rows(tmp_path / "out")
    assert got["score"].tolist() == direct.scores.tolist()
    assert got["p_value"].tolist() == direct.p_values.tolist()
    assert got["flag"].tolist() == direct.flags.tolist()
    assert got["id"].tolist() == [f"s-{i // 26:02d}.tar/{i:06d}.png" for i in range(130)]
    assert sorted(files(tmp_path / "out")) == ["manifest.json", *(f"s-{i:02d}.tar.parquet" for i in range(5))]
    assert (found["inputs"], found["shards"], found["complete"]) == (130, 5, True)
    assert (found["flagged"], found["limit"]) == (direct.num_flagged, direct.limit)
    assert found["discoveries"] == len(direct.flagged(0.1))
    assert found["mean_forwards"] == pytest.approx(direct.mean_forwards)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text()) == json.loads(json.dumps(found))


def test_a_shard_with_a_result_is_not_done_again_and_one_that_changed_is(
    detector, shards, tmp_path, monkeypatch
) -> None:
    source, out = f"{shards}/s-{{00..04}}.tar", tmp_path / "out"
    done: list[str] = []
    real = sharded.ShardScan._done

    def counted(self, shard):
        if len(done) == 2 and not is_allowed:
            raise KeyboardInterrupt
        done.append(shard.name)
        return real(self, shard)

    is_allowed = False
    monkeypatch.setattr(sharded.ShardScan, "_done", counted)
    with pytest.raises(KeyboardInterrupt):
        scan_shards(detector, source, out, progress=False)
    assert is_unfinished_at(out)
    is_allowed = True
    whole = scan_shards(detector, source, out, progress=False)
    assert done == [f"s-{i:02d}.tar" for i in range(5)]
    before = files(out)
    assert scan_shards(detector, source, out, progress=False) == whole  # a finished one is read
    assert len(done) == 5
    (shards / "s-03.tar").write_bytes(tar_of(NEW.images[:9]))
    data = bytearray((out / "s-01.tar.parquet").read_bytes())
    data[len(data) // 2] ^= 255
    (out / "s-01.tar.parquet").write_bytes(data[:-40])  # cut off: by another program, since ours are whole
    again = scan_shards(detector, source, out, progress=False)
    assert sorted(done[5:]) == ["s-01.tar", "s-03.tar"]
    assert again["inputs"] == 130 - 26 + 9
    after = files(out)
    assert {n for n in after if after[n] != before[n]} == {"s-03.tar.parquet", "manifest.json"}
    # more of the same source: those that are there stay
    (shards / "s-05.tar").write_bytes(tar_of(NEW.images[:7]))
    assert scan_shards(detector, f"{shards}/s-{{00..05}}.tar", out, progress=False)["inputs"] == 120
    assert done[7:] == ["s-05.tar"]


def test_broken_and_absent_shards_among_good_ones(detector, shards, tmp_path, monkeypatch) -> None:
    (shards / "s-01.tar").write_bytes((shards / "s-01.tar").read_bytes()[:20_000])  # breaks off in the middle
    (shards / "s-02.tar").write_bytes(b"no tar at all")
    (shards / "s-03.tar").unlink()
    found = scan_shards(detector, f"{shards}/s-{{00..04}}.tar", tmp_path / "out", progress=False)
    assert not found["complete"]
    assert [(one["path"], "nothing there" in one["reason"]) for one in found["failed"]] == [("s-03.tar", True)]
    assert [one["path"] for one in found["skipped"]] == ["s-01.tar: the rest", "s-02.tar"]
    assert "end in the middle of an entry" in found["skipped"][0]["reason"]
    assert 52 < found["inputs"] < 78
    assert len(pq.read_table(tmp_path / "out" / "s-02.tar.parquet")) == 0
    monkeypatch.setattr(sharded, "_PATIENCE", 3)
    for name in ("s-00.tar", "s-01.tar", "s-02.tar"):
        (shards / name).unlink()
    with pytest.raises(StorageError, match="got 3 in a row that cannot be read; the last: expected a file at"):
        scan_shards(detector, f"{shards}/s-{{04,00,01,02,03}}.tar", tmp_path / "out", progress=False)


def test_where_nobody_answers_few_shards_are_asked_for(detector, shards, tmp_path, monkeypatch) -> None:
    """Each wait for an answer may take a minute."""
    asked: list[str] = []

    def silent(self, shard):
        asked.append(shard.name)
        raise StorageError("expected an answer, got none")

    monkeypatch.setattr(sharded.Shards, "here", silent)
    with pytest.raises(StorageError, match="got none"):
        scan_shards(detector, f"{shards}/s-{{00..04}}.tar", tmp_path / "out", progress=False)
    assert asked == ["s-00.tar", "s-01.tar"]


def test_a_shard_that_changes_while_it_is_read_fails_and_the_rest_is_done(
    detector, shards, tmp_path, monkeypatch
) -> None:
    real = sharded.collect_images

    def touched(file, *args, **kwargs):
        found = real(file, *args, **kwargs)
        if Path(file).name == "s-02.tar" and "limit" not in kwargs:
            os.utime(file, ns=(1, 1))
        return found

    monkeypatch.setattr(sharded, "collect_images", touched)
    found = scan_shards(detector, str(shards) + "/s-{00..04}.tar", tmp_path / "out", progress=False)
    assert [one["path"] for one in found["failed"]] == ["s-02.tar"]
    assert "got a changed shard" in found["failed"][0]["reason"]
    assert found["inputs"] == 104
    assert not (tmp_path / "out" / "s-02.tar.parquet").exists()


def test_places_of_something_else_are_refused(detector, shards, tmp_path) -> None:
    source, out = f"{shards}/s-{{00..04}}.tar", tmp_path / "out"
    scan_shards(detector, source, out, progress=False)
    with pytest.raises(InputError, match="got a scan with another detector, fdr or source"):
        scan_shards(detector, source, out, fdr=0.2, progress=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        scan_shards(detector, source, tmp_path / "mine", progress=False)
    with pytest.raises(InputError, match="got nothing there"):
        scan_shards(detector, str(tmp_path / "none"), out, progress=False)


def test_a_wrong_command_leaves_an_interrupted_scan_to_the_right_one(detector, shards, tmp_path, monkeypatch) -> None:
    source, out = f"{shards}/s-{{00..04}}.tar", tmp_path / "out"

    def cut(self, shard):
        raise KeyboardInterrupt

    with monkeypatch.context() as cutting:
        cutting.setattr(sharded.ShardScan, "_done", cut)
        with pytest.raises(KeyboardInterrupt):
            scan_shards(detector, source, out, progress=False)
    for _ in range(2):
        with pytest.raises(InputError, match="got a scan with another detector, fdr or source"):
            scan_shards(detector, source, out, fdr=0.2, progress=False)
    assert scan_shards(detector, source, out, progress=False)["complete"]


def test_no_name_of_a_shard_leads_out_of_the_folder(detector, shards, tmp_path) -> None:
    (tmp_path / "up.tar").write_bytes((shards / "s-00.tar").read_bytes())
    long = "x" * 230 + ".tar"
    (shards / long).write_bytes((shards / "s-00.tar").read_bytes())
    before = files(tmp_path)
    source = f"{shards}/{{s-00.tar,../up.tar,/{shards.as_posix().lstrip('/')}/s-01.tar,{long}}}"
    found = scan_shards(detector, source, tmp_path / "out", progress=False)
    assert [one["reason"][:25] for one in found["failed"]] == ["expected the name of a fi"] * 2 + [
        "expected file names of at"
    ]
    assert (found["inputs"], found["complete"]) == (26, False)
    made = set(files(tmp_path)) - set(before)
    assert made == {"out/manifest.json", "out/s-00.tar.parquet"}


def test_a_name_in_the_way_of_another_costs_that_shard_alone(detector, shards, tmp_path) -> None:
    (shards / "s-00.tar.parquet").mkdir()
    (shards / "s-01.tar").rename(shards / "s-00.tar.parquet" / "a.tar")
    found = scan_shards(
        detector, f"{shards}/{{s-00.tar,s-00.tar.parquet/a.tar,s-02.tar}}", tmp_path / "out", progress=False
    )
    assert [one["path"] for one in found["failed"]] == ["s-00.tar.parquet/a.tar"]
    assert "of this name is in the way" in found["failed"][0]["reason"]
    assert found["inputs"] == 52


@pytest.mark.parametrize("spread", [{"workers": 2}], ids=str)
def test_workers_write_the_same_bytes(detector, shards, tmp_path, spread) -> None:
    source = f"{shards}/s-{{00..04}}.tar"
    one = scan_shards(detector, source, tmp_path / "one", progress=False)
    assert scan_shards(detector, source, tmp_path / "two", progress=False, **spread) == one
    assert files(tmp_path / "one") == files(tmp_path / "two")
