"""spread: (job, work(job)) of many jobs, by processes here or by actors of a Ray cluster."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from doldrum.errors import InputError, WorkerError
from doldrum.provenance import cores
from doldrum.spread.cluster import RayPool
from doldrum.spread.pool import LOST, Lost, Pool
from doldrum.spread.processes import ProcessesPool

__all__ = ["check_workers", "kept_workers", "results", "spread"]

# Deaths while one job is under way: with no job done in between, and in all. More, and the job, or what it needs, is what kills.
_TRIES, _MOST = 3, 10

Job = TypeVar("Job")
Result = TypeVar("Result")


def spread(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    workers: int | None = None,
    ray: str | None = None,
    in_order: bool = True,
    one_core: bool = False,
) -> Iterator[tuple[Job, Result]]:
    """`(job, work(job))` of every job, once; each worker is a process of one thread that gets `work` once.

    A worker that dies (killed, its machine lost) is replaced, and what it was at is done again: a job may be begun more than once.

    Parameters
    ----------
    work, jobs
        `work` must be picklable (for Ray, what cloudpickle takes), jobs and results too. `jobs` is read as workers become
        free: two jobs per worker are under way in order, one otherwise.
    workers : int, optional
        By default 1; on a cluster, one per CPU. At most 4 a core of this machine (8 if there is one): each takes the
        memory of the libraries and of its own copy of the work.
    ray : str, optional
        The address of a Ray cluster: "auto", "HOST:6379", "ray://HOST:10001", or "local" for an instance on this machine
        that ends with the run. A Ray that this process is already connected to is used whatever the address.
    in_order
        Whether results come in the order of the jobs, or as they are done.
    one_core
        Pin each process of this machine to a core of its own, for work that starts more threads than it should.

    Raises
    ------
    InputError
        When `work` can't be sent, or there is no such cluster, or too many workers are asked for.
    MissingExtraError
        When Ray is asked for and not installed.
    WorkerError
        When workers died at one job three times in a row (out of memory, say) or one before any had begun, or one runs other versions than this process.
    Whatever `work` raises comes through.

    In a script the call must be guarded by `if __name__ == "__main__"`, because processes import the script.

    >>> list(spread(abs, [-1, 2, -3]))
    [(-1, 1), (2, 2), (-3, 3)]
    """
    check_workers(workers, ray=ray)
    pool = _pool(work, workers, ray, one_core)

    def found() -> Iterator[tuple[Job, Result]]:
        with _running(pool):
            yield from _run(pool, jobs, in_order)

    return found()


@contextmanager
def kept_workers(
    work: Callable[[Job], Result], *, workers: int | None = None, ray: str | None = None
) -> Generator[Callable[[Iterable[Job]], Iterator[Result]], None, None]:
    """While the block runs, what gives `work(job)` of jobs, in order, as often as it is called: the workers stay. Else as `spread`.

    >>> with kept_workers(abs) as results_of:
    ...     list(results_of([-1, 2])), list(results_of([-3]))
    ([1, 2], [3])
    """
    check_workers(workers, ray=ray)
    pool = _pool(work, workers, ray, one_core=False)
    with _running(pool):
        yield lambda jobs: (result for _, result in _run(pool, jobs, True))


def _pool(work: Any, workers: int | None, ray: str | None, one_core: bool) -> Pool:
    return ProcessesPool(work, workers or 1, one_core=one_core) if ray is None else RayPool(work, workers, ray)


@contextmanager
def _running(pool: Pool) -> Generator[None, None, None]:
    whole = False  # not "nothing sent": an interrupt may come after a job was sent and before it is noted
    try:
        pool.start()
        yield
        whole = True
    finally:
        pool.close(wait=whole)


def check_workers(workers: int | None, *, ray: str | None = None) -> None:
    """Raise InputError for a number of workers that can't be; how many a cluster takes, it says itself."""
    if workers is None:
        return
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise InputError(
            f"expected a whole number of at least 1 as workers, got {workers!r}; one per core is a good number"
        )
    if ray is None and workers > (most := max(8, 4 * cores())):
        raise InputError(
            f"expected at most {most} workers on this machine of {cores()} cores, got {workers}; one per core is a good number"
        )


def results(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    workers: int | None = None,
    ray: str | None = None,
    in_order: bool = True,
    one_core: bool = False,
) -> Iterator[Result]:
    """`work(job)` of every job: in this process for one worker of this machine, else by `spread`, with its arguments and errors.

    >>> list(results(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    check_workers(workers, ray=ray)
    if ray is None and (workers or 1) == 1:
        return map(work, jobs)
    found = spread(work, jobs, workers=workers, ray=ray, in_order=in_order, one_core=one_core)
    return (result for _, result in found)


@dataclass(eq=False)
class _Sent:
    """A job under way; without a future before a worker has it."""

    job: Any
    future: Future[Any] | None = None
    deaths: int = 0
    in_a_row: int = 0


def _run(pool: Pool, jobs: Iterable[Any], in_order: bool) -> Iterator[tuple[Any, Any]]:
    sent: list[_Sent] = []
    for job in jobs:
        sent.append(_Sent(job))
        _send(pool, sent)
        while len(sent) >= pool.size * (2 if in_order else 1):
            yield from _done(pool, sent, in_order)
    while sent:
        yield from _done(pool, sent, in_order)


def _send(pool: Pool, sent: list[_Sent]) -> None:
    """Give workers the jobs that none has; where a worker's death shows, others take its place and its jobs.

    Until the jobs that a dead worker had are done, a worker has one job at a time: a job that kills then takes no other's result with it.
    """
    while waiting := [one for one in sent if one.future is None]:
        under_way = sum(one.future is not None and not one.future.done() for one in sent)
        free = pool.size - under_way if any(one.deaths for one in sent) else len(waiting)
        if free < 1:
            return
        try:
            for one in waiting[:free]:
                one.future = pool.submit(one.job)
        except Lost as error:
            _replace(pool, sent, error)


def _replace(pool: Pool, sent: list[_Sent], error: Lost) -> None:
    pool.replace()
    for one in sent:
        if one.future is None or pool.lost(one.future):
            one.future, one.deaths, one.in_a_row = None, one.deaths + 1, one.in_a_row + 1
    if any(one.in_a_row >= _TRIES or one.deaths >= _MOST for one in sent):
        raise WorkerError(LOST) from error
    logging.getLogger(__name__).warning(
        "a worker died (killed, or out of memory): another takes its place, and does its unfinished work again"
    )


def _done(pool: Pool, sent: list[_Sent], in_order: bool) -> Iterator[tuple[Any, Any]]:
    """The first job, or those that are done: at least one, but for a death or a first job that no worker has yet."""
    futures = {one.future: one for one in sent if one.future is not None}
    if not in_order:
        ready = [futures[f] for f in wait(futures, return_when=FIRST_COMPLETED).done]
    elif sent[0].future is not None:
        ready = [sent[0]]
    else:
        wait([f for f in futures if not f.done()], return_when=FIRST_COMPLETED)
        ready = []
    for one in ready:
        assert one.future is not None
        try:
            result = pool.outcome(one.future)
        except Lost as error:
            _replace(pool, sent, error)
            break
        sent.remove(one)
        for other in sent:
            other.in_a_row = 0
        yield one.job, result
    _send(pool, sent)
