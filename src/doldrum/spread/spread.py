"""`spread` runs many jobs in processes on this machine or in actors of a Ray cluster."""

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
    """Yield `(job, work(job))` once for every job. Each worker is a process with one thread, and receives `work` once.

    If a worker dies (it was killed, or its machine was lost), it is replaced, and its job is done again. So a job may
    be started more than once.

    Parameters
    ----------
    work, jobs
        `work`, jobs and results must be picklable (for Ray, with cloudpickle). The next job is taken from `jobs` when a
        worker becomes free. Each worker has two jobs at a time if results come in order, and only one job at a time if
        not.
    workers : int, optional
        The number of workers. The default is 1 worker on this machine, and one worker per CPU on a cluster. On this
        machine, at most 4 workers per core are allowed (8 on a single core). Each worker needs memory for the libraries
        and for its own copy of the work.
    ray : str, optional
        The address of a Ray cluster: "auto", "HOST:6379", "ray://HOST:10001", or "local" for an instance on this
        machine that ends with the run. If this process is already connected to a Ray cluster, that cluster is used for
        any address.
    in_order
        Whether results come in the order of the jobs, or in the order in which they are finished.
    one_core
        Pin each process on this machine to its own core. This is useful if the work starts too many threads.

    Raises
    ------
    InputError
        Raised if `work` cannot be sent, the cluster does not exist, or too many workers are requested.
    MissingExtraError
        Raised if Ray is requested but not installed.
    WorkerError
        Raised if workers died three times in a row during one job (for example, out of memory), if a worker died before
        any had started, or if a worker has other library versions than this process.

        An error that `work` raises is raised again in the calling process.

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
    """Keep the workers while the block runs, for several rounds of jobs.

    The block gets a function that takes jobs, and yields the results of these jobs in order. The block can call this
    function several times. The arguments and errors are the same as those of `spread`.

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
    """Raise InputError if the number of workers is not possible on this machine. The number of workers on a cluster is
    checked when doldrum connects to the cluster."""
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
    """Yield `work(job)` for every job. The arguments and errors are the same as those of `spread`.

    With one worker on this machine, the jobs are done in this process.

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
    """A job that is not finished. The `future` of a job is None until a worker gets the job."""

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
    """Give waiting jobs to workers. If a worker is found dead, replace it, and do its jobs again.

    Until the jobs of a dead worker are done, each worker has only one job at a time. So if a job kills its worker, no
    result of another job is lost.
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
        "a worker died (killed, or out of memory): a new worker replaces it, and does its unfinished jobs again"
    )


def _done(pool: Pool, sent: list[_Sent], in_order: bool) -> Iterator[tuple[Any, Any]]:
    """Yield finished jobs with their results. If results must come in order, wait for the first job and yield only this
    job.

    No job is yielded if a worker died. No job is yielded if results must come in order and no worker has the first job
    yet.
    """
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
