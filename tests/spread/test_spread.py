"""Work spread over processes: order, errors, deaths. What is done with it is tested in measuring and studies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from doldrum.errors import InputError, WorkerError
from doldrum.sandbox import memory_share
from doldrum.spread import kept_workers, processes, results, spread
from doldrum.spread.pool import LOST, Lost, Pool
from doldrum.spread.processes import ProcessesPool
from doldrum.spread.spread import _run, _running


def relay(job: tuple[str, Path]) -> int:
    """Jobs end once the one that makes the mark is under way, half a second after it."""
    name, mark = job
    if name == "mark":
        mark.touch()
        return os.getpid()
    while not mark.exists():
        time.sleep(0.01)
    time.sleep(0.5)
    return os.getpid()


@pytest.mark.parametrize("in_order", [True, False])
def test_results_come_in_order_or_as_they_are_done(tmp_path, in_order) -> None:
    jobs = [(name, tmp_path / "mark") for name in ("wait", "mark", "wait")]
    found = list(spread(relay, jobs, workers=2, in_order=in_order, one_core=not in_order))
    assert len({pid for _, pid in found} - {os.getpid()}) == 2
    names = [name for (name, _), _ in found]
    assert names == ["wait", "mark", "wait"] if in_order else names[0] == "mark"


def picky(job: int) -> str | None:
    """One thread; refuses 2, dies of 3."""
    if job == 2:
        raise ValueError("not 2")
    if job == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.environ.get("OMP_NUM_THREADS")


def test_what_work_raises_comes_through_and_a_death_is_said(monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    results = spread(picky, [0, 2])
    assert next(results) == (0, "1")
    with pytest.raises(ValueError, match="not 2"):
        next(results)
    with pytest.raises(WorkerError, match="run the same command again to continue"):
        list(spread(picky, [3, 0, 0, 0], workers=1))
    assert os.environ["OMP_NUM_THREADS"] == "7"  # as it was


def mortal(job: tuple[str, Path]) -> tuple[str, int]:
    """Dies where a file lies at its path, which it takes away."""
    name, mark = job
    if mark.exists():
        mark.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return name, os.getpid()


@pytest.mark.parametrize("in_order", [True, False])
def test_a_dead_worker_is_replaced_and_every_job_is_done_once(tmp_path, in_order, caplog) -> None:
    jobs = [(str(n), tmp_path / f"mark-{n}") for n in range(8)]
    for n in (3, 6):
        (tmp_path / f"mark-{n}").touch()
    found = [name for _, (name, _) in spread(mortal, jobs, workers=2, in_order=in_order)]
    assert (found if in_order else sorted(found)) == [name for name, _ in jobs]
    assert not list(tmp_path.iterdir())
    assert any("a new worker replaces it" in line for line in caplog.messages)


class Fragile(Pool):
    """Two workers, threads here. A worker's results arrive once its queue is empty: one that dies takes those of the jobs before with it.

    Job n kills its worker as often as `kills` says. `most` is how many jobs a worker had at once after the first death.
    """

    def __init__(self, kills: dict[int, int]) -> None:
        self.size, self.kills, self.most, self.deaths = 2, kills, 0, 0
        self._queues: tuple[list[tuple[int, Future[int]]], ...] = ([], [])
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._work, daemon=True).start()

    def submit(self, job: int) -> Future[int]:
        future: Future[int] = Future()
        with self._lock:
            queue = min(self._queues, key=len)
            queue.append((job, future))
            self.most = max(self.most, len(queue) if self.deaths else 0)
        return future

    def _work(self) -> None:
        while not self._ended.wait(0.02):
            with self._lock:
                for queue in self._queues:
                    killer = next((job for job, _ in queue if self.kills.get(job)), None)
                    if killer is not None:
                        self.kills[killer] -= 1
                        self.deaths += 1
                    for job, future in queue:
                        future.set_result(-job) if killer is None else future.set_exception(Lost(LOST))
                    queue.clear()

    def outcome(self, future: Future[int]) -> int:
        return future.result()

    def replace(self) -> None: ...

    def lost(self, future: Future[int]) -> bool:
        return future.done() and isinstance(future.exception(), Lost)

    def close(self, *, wait: bool) -> None:
        self._ended.set()


@pytest.mark.parametrize("in_order", [True, False])
def test_a_job_that_kills_is_tried_by_itself_and_takes_no_other_with_it(in_order) -> None:
    def done(pool: Fragile, jobs: int) -> list[int]:
        with _running(pool):
            return sorted(-result for _, result in _run(pool, range(jobs), in_order))

    pool = Fragile({0: 1, 2: 1, 4: 1})
    assert done(pool, 8) == list(range(8))
    assert pool.most == 1
    assert not any(pool.kills.values())
    assert done(Fragile({1: 2}), 4) == list(range(4))
    with pytest.raises(WorkerError, match="died"):
        done(Fragile({1: 99}), 4)


def told_to_end(job: tuple[str, Path]) -> str:
    """Where a file is at its path, takes it away, is told to end, and fails before it has ended."""
    name, mark = job
    if mark.exists():
        mark.unlink()
        processes.end_confined = lambda: time.sleep(0.3)  # in the worker alone
        os.kill(os.getpid(), signal.SIGTERM)
        raise ValueError("what it needs is being ended")
    return name


def test_what_a_job_raises_while_its_worker_is_ended_says_nothing_of_the_job(tmp_path) -> None:
    jobs = [(str(n), tmp_path / f"mark-{n}") for n in range(4)]
    (tmp_path / "mark-1").touch()
    assert [name for _, name in spread(told_to_end, jobs, workers=1)] == ["0", "1", "2", "3"]


def test_workers_stay_for_several_rounds_and_know_how_many_share_the_machine(tmp_path) -> None:
    with kept_workers(mortal, workers=1) as results_of:
        first, second = (list(results_of([("a", tmp_path / "no")])) for _ in range(2))
    assert first == second  # the same process
    assert list(results(mortal, [("a", tmp_path / "no")])) == [("a", os.getpid())]
    assert [share for _, share in spread(shares, [1 << 60], workers=3)] == [memory_of_machine() // 4]
    assert shares(1 << 60) == 1 << 60


def shares(size: int) -> int:
    return memory_share(size)


def memory_of_machine() -> int:
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    return min(whole, int(limit.read_text())) if limit.exists() and limit.read_text().strip() != "max" else whole


def test_jobs_are_read_as_workers_become_free() -> None:
    read: list[int] = []

    def jobs():
        for i in range(50):
            read.append(i)
            yield -i

    results = spread(abs, jobs(), workers=1)
    assert next(results) == (0, 0)
    assert len(read) <= 3
    results.close()  # type: ignore[attr-defined]


def test_what_cannot_be_spread_is_refused() -> None:
    with pytest.raises(InputError, match="top of a module"):
        spread(lambda job: job, [1])
    for workers in (0, -1, True, 1.5):
        with pytest.raises(InputError, match="at least 1 as workers"):
            spread(abs, [1], workers=workers)  # type: ignore[arg-type]


class Licensed:
    """Work that can be made here only."""

    def __call__(self, job: int) -> int:
        return job

    def __reduce__(self):
        return (refuse, ())


def refuse() -> None:
    raise OSError("licence server not reached")


def test_work_that_cannot_be_made_in_a_worker_says_why() -> None:
    with pytest.raises(WorkerError, match="got OSError: licence server not reached"):
        list(spread(Licensed(), [1]))


def test_a_script_without_a_guard_is_told_so(tmp_path) -> None:
    """Its workers die as they import it, before any has answered."""
    (tmp_path / "script.py").write_text("from doldrum.spread import spread\nprint(list(spread(abs, [-1])))\n")
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    # Once, on busy cores, the very last line was "OSError: [Errno 9] Bad file descriptor"; whose, it did not say.
    last = [line for line in done.stderr.splitlines() if line.startswith("doldrum.errors.")]
    assert "before any had started" in last[-1]
    assert '__name__ == "__main__"' in last[-1]


def test_more_workers_than_the_machine_can_hold_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected at most .* got 5000"):
        spread(abs, [1], workers=5000)


@pytest.mark.parametrize(("broken", "raised"), [("a worker died", WorkerError), (False, OSError)])
def test_a_worker_started_as_another_dies_is_a_lost_worker(broken, raised, monkeypatch) -> None:
    """The pool closes its pipes, and what starts a process on them finds a bad file descriptor."""
    pool = ProcessesPool(abs, 2, one_core=False)
    pool.start()
    try:

        def closed(job, *args):
            monkeypatch.setattr(pool._pool, "_broken", broken)
            raise OSError(9, "Bad file descriptor")

        monkeypatch.setattr(pool._pool, "submit", closed)
        with pytest.raises(raised):
            pool.submit(-1)
    finally:
        monkeypatch.undo()
        pool.close(wait=True)
