"""spread: (job, work(job)) of many jobs, by processes here or by actors of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

from doldrum.errors import InputError
from doldrum.provenance import cores
from doldrum.spread.cluster import RayPool
from doldrum.spread.pool import Pool
from doldrum.spread.processes import ProcessesPool

__all__ = ["check_workers", "spread"]

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
    """`(job, work(job))` of every job; each worker is a process of one thread that gets `work` once.

    Parameters
    ----------
    work, jobs
        `work` must be picklable (for Ray, what cloudpickle takes), jobs and results too. `jobs` is read as workers become
        free: two jobs a worker are under way in order, one otherwise.
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
        When a worker dies (killed, out of memory, its machine lost), or runs other versions than this process.
    Whatever `work` raises comes through.

    In a script the call must be guarded by `if __name__ == "__main__"`, because processes import the script.

    >>> list(spread(abs, [-1, 2, -3]))
    [(-1, 1), (2, 2), (-3, 3)]
    """
    check_workers(workers, ray=ray)
    pool = ProcessesPool(work, workers or 1, one_core=one_core) if ray is None else RayPool(work, workers, ray)
    return _run(pool, jobs, in_order)


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


def _run(pool: Pool, jobs: Iterable[Any], in_order: bool) -> Iterator[tuple[Any, Any]]:
    pending: dict[Future[Any], Any] = {}
    whole = False  # not "nothing pending": an interrupt may come after a job was sent and before it is noted here
    try:
        pool.start()
        most = pool.size * (2 if in_order else 1)
        for job in jobs:
            pending[pool.submit(job)] = job
            if len(pending) >= most:
                yield from _done(pool, pending, in_order)
        while pending:
            yield from _done(pool, pending, in_order)
        whole = True
    finally:
        pool.close(wait=whole)


def _done(pool: Pool, pending: dict[Future[Any], Any], in_order: bool) -> Iterator[tuple[Any, Any]]:
    """The first job, or those that are done: at least one."""
    ready = [next(iter(pending))] if in_order else list(wait(pending, return_when=FIRST_COMPLETED).done)
    for future in ready:
        result = pool.outcome(future)
        yield pending.pop(future), result
