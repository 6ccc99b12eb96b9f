"""doldrum measure: images of every kind, rules for when to stop, runs that are cut off."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import doldrum as dd
from doldrum.cli import main
from doldrum.errors import InputError
from doldrum.intake import open_images
from doldrum.measuring import collected, measure_to
from doldrum.measuring.collected import collect_images


def measure(*words: object, capsys, monkeypatch) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["doldrum", "measure", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def folder_of(path: Path, count: int = 6, size: tuple[int, int] = (8, 8)) -> Path:
    path.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(path / f"{i}.png")
    return path


def test_a_folder_an_archive_and_a_table_give_the_same_draws(model, tmp_path, capsys, monkeypatch) -> None:
    folder = folder_of(tmp_path / "in", size=(9, 8))
    (folder / "3b.png").write_bytes(b"no image")
    files = sorted(folder.iterdir())
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive, tarfile.open(tmp_path / "in.tar", "w") as tar:
        for file in files:
            archive.write(file, file.name)
            tar.add(file, file.name)
    table = {"image": [{"bytes": f.read_bytes(), "path": f.name} for f in files]}
    pq.write_table(pa.table(table), tmp_path / "in.parquet")
    want = np.stack(
        [np.asarray(Image.open(folder / f"{i}.png").resize((8, 8), Image.Resampling.BILINEAR)) for i in range(6)]
    )
    direct = dd.measure(dd.open_model(model).classifier, want[:, None], dd.probes.Gaussian([0.2], draws=20, seed=0))
    for name in ("in", "in.zip", "in.tar", "in.parquet"):
        out = tmp_path / f"out-{name}"
        words = (model, tmp_path / name, "--strengths", 0.2, "--draws", 20, "--out", out, "--json")
        code, text, err = measure(*words, capsys=capsys, monkeypatch=monkeypatch)
        assert code == 0, err
        (skipped,) = json.loads(text)["skipped"]
        assert "3b.png" in skipped["path"]
        assert np.array_equal(dd.read_responses(out).draws, direct.draws), name
        assert sorted(p.name for p in out.iterdir()) == ["manifest.json", "part-00000.parquet"]


def test_a_run_that_was_cut_off_goes_on_without_decoding_again(model, tmp_path, capsys, monkeypatch, cut_off) -> None:
    folder = folder_of(tmp_path / "in")
    words = (model, folder, "--strengths", 0.2, "--draws", 20, "--batch-size", 2, "--out", tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(
            "doldrum.measuring.measure_to", lambda run, *a, **k: (cut_off(run, after=1), measure_to(run, *a, **k))
        )
        assert measure(*words, capsys=capsys, monkeypatch=monkeypatch)[0] == 130
    assert (tmp_path / "out" / "images.part" / "images.npy").is_file()
    with monkeypatch.context() as patch:
        patch.setattr(collected, "as_array", lambda *a, **k: pytest.fail("decoded again"))
        code, _, err = measure(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0, err
    whole = measure(*words[:-1], tmp_path / "whole", capsys=capsys, monkeypatch=monkeypatch)
    assert whole[0] == 0
    assert np.array_equal(dd.read_responses(tmp_path / "out").draws, dd.read_responses(tmp_path / "whole").draws)
    assert not (tmp_path / "out" / "images.part").exists()


def test_a_run_whose_images_changed_meanwhile_is_refused(model, tmp_path, capsys, monkeypatch, cut_off) -> None:
    folder = folder_of(tmp_path / "in")
    words = (model, folder, "--strengths", 0.2, "--draws", 20, "--batch-size", 2, "--out", tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(
            "doldrum.measuring.measure_to", lambda run, *a, **k: (cut_off(run, after=1), measure_to(run, *a, **k))
        )
        assert measure(*words, capsys=capsys, monkeypatch=monkeypatch)[0] == 130
    Image.new("L", (8, 8), 7).save(folder / "2.png")
    code, _, err = measure(*words, capsys=capsys, monkeypatch=monkeypatch)
    assert code == 2
    assert "got other images; use the same settings to continue the run, or name another folder with --out" in err


def test_a_second_run_on_one_folder_is_refused_while_the_first_decodes(model, tmp_path) -> None:
    from doldrum.cli.inputs import stored_images

    clf, folder = SimpleNamespace(input_shape=(1, 8, 8)), folder_of(tmp_path / "in")
    with (
        stored_images(str(folder), tmp_path / "out", classifier=clf) as (found, _),
        pytest.raises(InputError, match="one run at a time"),
        stored_images(str(folder), tmp_path / "out", classifier=clf),
    ):
        pass
    assert len(found.ids) == 6


def test_a_run_that_begins_as_another_ends_leaves_its_folder_alone(model, tmp_path, capsys, monkeypatch) -> None:
    from doldrum.cli.inputs import stored_images

    folder = folder_of(tmp_path / "in")
    words = (model, folder, "--strengths", 0.2, "--draws", 5, "--out", tmp_path / "out")
    assert measure(*words, capsys=capsys, monkeypatch=monkeypatch)[0] == 0
    before = sorted((tmp_path / "out").iterdir())
    with (
        pytest.raises(InputError, match="whose run is finished"),
        stored_images(str(folder), tmp_path / "out", classifier=SimpleNamespace(input_shape=(1, 8, 8))),
    ):
        pass
    assert sorted((tmp_path / "out").iterdir()) == before


def test_nothing_is_left_where_nothing_was_begun(model, tmp_path, capsys, monkeypatch) -> None:
    folder = folder_of(tmp_path / "in")
    words = (model, folder, "--engine", "compile", "--out", tmp_path / "deep" / "out")
    assert measure(*words, capsys=capsys, monkeypatch=monkeypatch)[0] == 2
    assert not (tmp_path / "deep").exists()


def test_until_decided_stops_as_python_does_and_says_what_it_spent(model, tmp_path, capsys, monkeypatch) -> None:
    x = np.random.default_rng(0).integers(0, 256, (8, 1, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    words = (
        model,
        tmp_path / "x.npy",
        "--strengths",
        "0.1,0.4",
        "--draws",
        200,
        "--until-decided",
        0.3,
        "--alpha",
        0.01,
    )
    code, text, err = measure(*words, "--out", tmp_path / "out", "--json", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0, err
    rule = dd.until.Decided(0.3, alpha=0.01)
    r = dd.measure(dd.open_model(model).classifier, x, dd.probes.Gaussian([0.1, 0.4], draws=200, seed=0), until=rule)
    stopped, found = rule.read(r), json.loads(text)
    assert np.array_equal(dd.read_responses(tmp_path / "out").draws, r.draws)
    assert found["draws_spent"] == stopped.draws.sum() < found["draws_at_most"] == 8 * 2 * 200
    assert [s["above"] for s in found["stopped"]] == (stopped.decision == 1).sum(axis=0).tolist()
    assert [s["open"] for s in found["stopped"]] == (stopped.decision == 0).sum(axis=0).tolist()
    assert "mean_w" not in found  # of different numbers of draws
    code, text, _ = measure(
        *words[:2],
        "--until-width",
        0.2,
        "--draws",
        100,
        "--out",
        tmp_path / "w",
        capsys=capsys,
        monkeypatch=monkeypatch,
    )
    assert code == 0
    assert "known to within 0.2 (alpha 0.05)" in text


def test_memory_of_stored_images_is_that_of_a_slice(tmp_path) -> None:
    """Peak resident memory, in a process of its own, while 200 MB of pixels are hashed and gone through."""
    array = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (2000, 3, 181, 181))
    array[:] = np.random.default_rng(0).integers(0, 256, array.shape[1:], dtype=np.uint8)
    array.flush()
    code = (
        "import resource, sys; from doldrum.measuring.collected import StoredImages; from doldrum.measuring.inputs import Inputs\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "x = Inputs(StoredImages(sys.argv[1], [str(i) for i in range(2000)], [])); x.block(0, 8); before = peak()\n"
        "x.fingerprint(); [x.block(i, i + 8) for i in range(0, 2000, 8)]; print(peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.npy")], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 30 * 1024


def test_a_limit_reads_no_further_and_damaged_notes_are_made_anew(tmp_path) -> None:
    folder = folder_of(tmp_path / "in")
    found = collect_images(folder, tmp_path / "work", shape=(3, 8, 8), limit=2)
    assert found.ids == ["0.png", "1.png"]
    assert found.shape == (2, 3, 8, 8)
    first = next(iter(open_images(folder)))
    assert np.array_equal(found[0:1][0], first.pixels.transpose(2, 0, 1))  # pyright: ignore[reportAttributeAccessIssue]
    (tmp_path / "work" / "images.json").write_text("{")
    assert collect_images(folder, tmp_path / "work", shape=(3, 8, 8), limit=2).ids == found.ids
    os.truncate(tmp_path / "work" / "images.npy", 100)
    assert collect_images(folder, tmp_path / "work", shape=(3, 8, 8), limit=2).shape == (2, 3, 8, 8)


def test_images_with_nan_or_values_out_of_range_are_named() -> None:
    x = np.zeros((9, 1, 2, 2), np.float32)
    x[[2, 3, 5, 7], 0, 1, 1] = np.nan
    with pytest.raises(InputError, match="NaN or infinities in image 2, 3, 5, …;"):
        dd.ImageSet(x)
    with pytest.raises(InputError, match="in image c;"):
        dd.ImageSet(x[:3], ids=["a", "b", "c"])
    x[:] = 0.5
    x[4] = 1.5
    with pytest.raises(InputError, match=r"got 0\.5 to 1\.5 in image 4;"):
        dd.ImageSet(x)
