"""The runner: killed and continued, torn lines, failures, full disks, one run at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from toy_study import TOY, slow_values, values

from doldrum.errors import InputError
from doldrum.records.study import MANIFEST, RECORDS, read_study
from doldrum.studies import run_study
from doldrum.studies.base import Cell, Study
from doldrum.studies.store import RecordsFile

SHARED = Path(__file__).parents[1] / "shared"


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    monkeypatch.setenv("DOLDRUM_TEST_RUNS", str(tmp_path / "runs.txt"))
    return tmp_path / "runs.txt"


def test_ten_kills_then_continue_equals_an_undisturbed_run(tmp_path, monkeypatch):
    calm, stormy = tmp_path / "calm", tmp_path / "stormy"
    run_study(TOY, out=calm)
    monkeypatch.setenv("DOLDRUM_TEST_SLEEP", "0.06")
    runs = Path(os.environ["DOLDRUM_TEST_RUNS"])
    runs.unlink()
    # A process of its own imports everything once, then forks ten runs and kills each at a random moment.
    script = f"""
import os, signal, time
from doldrum.seeds import rng
from doldrum.studies import run_study
from toy_study import TOY
run_study(TOY, {{"data": "digits", "seed": 99}}, out={str(tmp_path / "warm")!r})
for wait in rng(0, "kills").uniform(0, 0.3, size=10):
    child = os.fork()
    if not child:
        run_study(TOY, out={str(stormy)!r})
        os._exit(0)
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""
    subprocess.run([sys.executable, "-c", script], cwd=SHARED, check=True)
    assert len(read_study(stormy).cells) > 0
    monkeypatch.setenv("DOLDRUM_TEST_SLEEP", "0")
    found = run_study(TOY, out=stormy)
    assert found.missing == 0
    assert not found.failures
    assert values(stormy) == values(calm)
    lines = (stormy / RECORDS).read_text().splitlines()
    assert len(lines) == 8
    # A kill can cost the cell in hand, no more: at most one extra run of a cell for each kill.
    assert 8 <= len(runs.read_text().splitlines()) <= 19


def test_workers_give_the_records_of_one_process(tmp_path):
    run_study(TOY, out=tmp_path / "one")
    run_study(TOY, out=tmp_path / "two", workers=2)
    assert values(tmp_path / "one") == values(tmp_path / "two")


def test_workers_end_when_the_run_is_killed(tmp_path, monkeypatch):
    script = (
        "from toy_study import TOY; from doldrum.studies import run_study\n"
        f"if __name__ == '__main__': run_study(TOY, out={str(tmp_path / 's')!r}, workers=2, say=lambda t: print(t, flush=True))"
    )
    (tmp_path / "go.py").write_text(script)
    monkeypatch.setenv("DOLDRUM_TEST_SLEEP", "0.2")
    monkeypatch.setenv("PYTHONPATH", str(SHARED))
    process = subprocess.Popen([sys.executable, tmp_path / "go.py"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()  # the first cell is done: the workers are there
    children = _children(process.pid)
    process.kill()
    process.wait()
    process.stdout.close()
    assert children
    until = time.monotonic() + 10
    while time.monotonic() < until and any(_alive(pid) for pid in children):
        time.sleep(0.02)
    assert not any(_alive(pid) for pid in children)


def _children(pid):
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]
    except OSError:
        return False


def test_a_cell_that_raises_is_listed_and_tried_again(tmp_path, monkeypatch):
    monkeypatch.setenv("DOLDRUM_TEST_FAIL", "2,5")
    lines = []
    first = run_study(TOY, out=tmp_path / "s", say=lines.append)
    assert [f.cell["seed"] for f in first.failures] == [2, 5]
    assert first.failures[0].error == "ValueError: seed 2 was told to fail"
    assert "slow_values" in first.failures[0].trace
    assert (len(first.cells), first.missing) == (6, 0)
    assert sum("FAILED" in line for line in lines) == 2
    monkeypatch.setenv("DOLDRUM_TEST_FAIL", "5")
    lines.clear()
    second = run_study(TOY, out=tmp_path / "s", say=lines.append)
    assert lines[0] == "toy: 8 cells, 6 done before, 2 to do (2 failed last time)"
    assert [f.cell["seed"] for f in second.failures] == [5]
    monkeypatch.setenv("DOLDRUM_TEST_FAIL", "")
    assert not run_study(TOY, out=tmp_path / "s").failures
    assert [seed for _, seed, _ in values(tmp_path / "s")] == list(range(8))


def test_what_is_done_is_not_done_again_by_a_larger_grid(tmp_path, runs):
    run_study(TOY, {"data": "digits", "seed": [0, 1]}, out=tmp_path / "s")
    run_study(TOY, {"data": "digits", "seed": [1, 2]}, out=tmp_path / "s")
    assert runs.read_text().split() == ["0", "1", "2"]
    assert [seed for _, seed, _ in values(tmp_path / "s")] == [1, 2]


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_last_line_is_ignored_and_its_cell_run_again(tmp_path, runs, cut):
    run_study(TOY, out=tmp_path / "s")
    whole = values(tmp_path / "s")
    path = tmp_path / "s" / RECORDS
    path.write_bytes(path.read_bytes()[:-cut])
    assert len(read_study(tmp_path / "s").cells) == 7
    run_study(TOY, out=tmp_path / "s")
    assert values(tmp_path / "s") == whole
    assert len(runs.read_text().split()) == 9


def test_a_line_that_is_no_record_is_named_and_its_cell_run_again_without_it(tmp_path, runs):
    run_study(TOY, out=tmp_path / "s")
    whole, path = values(tmp_path / "s"), tmp_path / "s" / RECORDS
    lines = path.read_text().splitlines(keepends=True)
    lacking = {k: v for k, v in json.loads(lines[3]).items() if k != "seconds"}
    for bad, message in (
        ("oops", "expected JSON in line 4 of .*; remove that line"),
        ("5", "expected a cell's record in line 4 of .*, got none; remove that line"),
        (json.dumps(lacking), r"expected a cell's record in line 4 of .*lacks \['seconds'\].*; remove that line"),
        (json.dumps({**json.loads(lines[3]), "cell": 5}), "expected a cell's record in line 4 of .*; remove that line"),
    ):
        path.write_text("".join([*lines[:3], bad + "\n", *lines[4:]]))
        with pytest.raises(InputError, match=message):
            run_study(TOY, out=tmp_path / "s")
    path.write_text("".join([*lines[:3], *lines[4:]]))
    runs.unlink()
    run_study(TOY, out=tmp_path / "s")
    assert runs.read_text().split() == ["3"]
    assert values(tmp_path / "s") == whole


def test_a_manifest_that_is_lost_or_cut_off_costs_no_record(tmp_path, runs):
    run_study(TOY, out=tmp_path / "s")
    whole, path = values(tmp_path / "s"), tmp_path / "s" / MANIFEST
    path.write_text(path.read_text()[:90])
    for look in (read_study, lambda folder: run_study(TOY, out=folder)):
        with pytest.raises(InputError, match=r"Or remove .* and run the same doldrum study again"):
            look(tmp_path / "s")
    path.unlink()
    with pytest.raises(InputError, match="without it; run the same doldrum study again, which writes the missing file"):
        read_study(tmp_path / "s")
    runs.unlink()
    run_study(TOY, out=tmp_path / "s")
    assert values(tmp_path / "s") == whole
    assert not runs.exists()


def odd_values(cell: Cell) -> dict[str, float]:
    """Values that no record can hold, for one seed of three."""
    return {"value": float("nan") if cell.seed == 1 else 0.5}


def test_values_that_no_record_can_hold_are_a_failed_cell(tmp_path):
    odd = Study("odd", Cell, odd_values, {"quick": {"data": "digits", "seed": [0, 1, 2]}})
    found = run_study(odd, out=tmp_path / "s")
    assert [r.cell["seed"] for r in found.cells] == [0, 2]
    assert "expected JSON values without NaN in values" in found.failures[0].error


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path, runs, monkeypatch):
    """Root may write anywhere, so the system's answer is made up."""

    def refuse(self, *args, **more):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(
        InputError, match=r"expected a folder that can be written to, got .*Permission denied.*; name another"
    ):
        run_study(TOY, out=tmp_path / "new")
    assert not runs.exists()


def test_a_full_disk_keeps_what_was_written(tmp_path, monkeypatch):
    """The disk takes two lines and half of the third, as a full one does."""
    real, room = os.write, [0]
    one = len(json.dumps({"key": "x" * 50})) + 1

    def write(file, data):
        if room[0] <= 0:
            raise OSError(28, "No space left on device")
        count = real(file, bytes(data)[: room[0]])
        room[0] -= count
        return count

    path = tmp_path / RECORDS
    room[0] = 2 * one + one // 2
    with RecordsFile(path) as file:
        monkeypatch.setattr(os, "write", write)
        file.add({"key": "x" * 50})
        file.add({"key": "y" * 50})
        with pytest.raises(OSError, match="expected space for a record, got No space left on device"):
            file.add({"key": "z" * 50})
    monkeypatch.undo()
    assert [json.loads(line)["key"][0] for line in path.read_text().splitlines()] == ["x", "y"]
    with RecordsFile(path) as file:
        file.add({"key": "z"})
    assert len(path.read_text().splitlines()) == 3


def wide_values(cell: Cell) -> dict[str, list[int]]:
    """A record of some 12 kB, so that a small disk takes a few of them."""
    return {"values": list(range(2500))}


def test_a_disk_that_is_really_full_stops_the_run_and_more_room_continues_it(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("only root can mount a small disk; the test above stands in for it")
    wide = Study("wide", Cell, wide_values, TOY.grids)
    try:
        with pytest.raises(OSError, match="expected space for a record"):
            run_study(wide, out=disk / "s")
        kept = len(read_study(disk / "s").cells)
        assert 0 < kept < 8
        subprocess.run(["mount", "-o", "remount,size=1m", disk], check=True)
        lines: list[str] = []
        found = run_study(wide, out=disk / "s", say=lines.append)
        assert lines[0] == f"wide: 8 cells, {kept} done before, {8 - kept} to do"
        assert (len(found.cells), found.missing) == (8, 0)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_two_runs_in_one_folder_are_refused(tmp_path):
    run_study(TOY, out=tmp_path / "s")
    with RecordsFile(tmp_path / "s" / RECORDS), pytest.raises(InputError, match="expected one run at a time"):
        run_study(TOY, out=tmp_path / "s")


def test_a_folder_of_another_study_is_refused(tmp_path):
    run_study(TOY, out=tmp_path / "s")
    other = Study("other", Cell, slow_values, TOY.grids)
    with pytest.raises(InputError, match=r"expected a folder of the study other, got .*, the folder of the study toy"):
        run_study(other, out=tmp_path / "s")


def test_a_folder_with_files_of_the_user_is_refused_and_stays_as_it_is(tmp_path, runs):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(
        InputError, match=r"expected a new or empty folder, or the folder of a study, got .*something else"
    ):
        run_study(TOY, out=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]
    assert not runs.exists()


def test_keys_depend_on_everything_that_decides_a_cell():
    base = {"data": "digits", "recipe": "digits-mlp"}
    cells = [
        Cell(**base), Cell(**base, seed=1), Cell(**base, rate=0.1), Cell(**base, attack="blended"),
        Cell(**base, settings={"size": 2}), Cell(**base, changes={"epochs": 3}), Cell(**base, draws=99),
        Cell(**base, inputs=5), Cell(**base, strengths=(0.1,)), Cell(**base, target=3), Cell(**base, sigma=0.1),
    ]  # fmt: skip
    keys = [TOY.key(c) for c in cells]
    assert len(set(keys)) == len(keys)
    later = Study("toy", Cell, slow_values, {}, version=2)
    assert later.key(cells[0]) not in keys
    # Settings that are the defaults, said or not, are the same cell's victim.
    assert Cell(**base, settings={"size": 3}).victim.key == Cell(**base).victim.key


def test_seeds_rotate_the_target():
    assert [Cell(data="digits", seed=s).target for s in (0, 3, 9, 12)] == [0, 3, 9, 2]
    assert np.unique([Cell(data="digits", seed=s, target=4).target for s in range(3)]).tolist() == [4]
