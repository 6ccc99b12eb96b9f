"""Workers on a Ray cluster: actors with one CPU and one thread each. Each actor holds a copy of the work."""

from __future__ import annotations

import os
import pickle
import warnings
from concurrent.futures import Future, wait
from typing import Any

from doldrum.errors import InputError, WorkerError, missing_extra
from doldrum.provenance import cores, versions_and_machine
from doldrum.sandbox.shares import WORKERS
from doldrum.spread.pool import LOST, Lost, Pool, settle

__all__ = ["RayPool"]

_PATIENCE = 60.0  # seconds that a cluster has for another actor


class RayPool(Pool):
    """A pool of Ray actors.

    An actor that dies is replaced if the cluster has room for a new one within a minute. If the cluster has no room,
    the remaining actors do the jobs of the dead actor.
    """

    def __init__(self, work: Any, workers: int | None, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
            from ray import cloudpickle
        except ImportError as error:
            raise missing_extra("ray", "ray", error) from error
        self._ray, self._workers, self._address = ray, workers, address
        self._actors: list[Any] = []
        self._by: dict[Future[Any], Any] = {}  # the actor of each job without an outcome
        self._dead: set[Any] = set()
        self._ours = False
        try:
            self._payload = cloudpickle.dumps(work)  # pyright: ignore[reportPrivateImportUsage]
        except Exception as error:  # what the objects inside it raise
            raise InputError(
                f"expected work that can be sent to another machine, got {error}; leave out --ray"
            ) from error

    def start(self) -> None:
        ray = self._ray
        if not ray.is_initialized():
            self._connect()
        cpus = int(ray.cluster_resources().get("CPU", 0))
        self.size = self._workers or cpus
        if not 1 <= self.size <= cpus:
            raise InputError(
                f"expected at most one worker per CPU of the cluster, got {self.size} workers for {cpus} CPUs; ask for fewer"
            )
        self._held = ray.put(self._payload)
        made = ray.remote(num_cpus=1, max_restarts=0)(_Actor)
        self._make = lambda: made.remote(self._held, self.size)
        self._actors = [self._make() for _ in range(self.size)]
        try:
            _check(ray.get([actor.about.remote() for actor in self._actors]))
        except ray.exceptions.RayError as error:
            raise WorkerError(
                f"expected workers that start, got {str(error).strip().splitlines()[-1]}; install doldrum and everything the classifier needs "
                "on every machine of the cluster"
            ) from error

    def _connect(self) -> None:
        settings: dict[str, Any] = {}
        if self._address == "local":
            settings = {"num_cpus": self._workers, "include_dashboard": False}
        try:
            self._ray.init(address=self._address, log_to_driver=False, logging_level="error", **settings)
        except Exception as error:  # ConnectionError, ValueError and more: each way in has its own
            raise InputError(
                f"expected a Ray cluster at {self._address!r}, got {str(error).strip() or type(error).__name__}; start one "
                "with `ray start --head`, or use --ray local"
            ) from error
        self._ours = True

    def submit(self, job: Any) -> Future[Any]:
        busy = [actor for future, actor in self._by.items() if not future.done()]
        idlest = min(self._actors, key=busy.count)
        future = idlest.do.remote(job).future()
        self._by[future] = idlest
        return future

    def outcome(self, future: Future[Any]) -> Any:
        errors = self._ray.exceptions
        try:
            return future.result()
        except errors.RayTaskError as error:
            raise error.cause from error
        except errors.RayError as error:
            raise Lost(LOST) from error
        finally:
            actor = self._by.pop(future, None)
            if self.lost(future) and actor is not None:
                self._dead.add(actor)

    def lost(self, future: Future[Any]) -> bool:
        errors = self._ray.exceptions
        found = future.exception() if future.done() and not future.cancelled() else None
        return isinstance(found, errors.RayError) and not isinstance(found, errors.RayTaskError)

    def replace(self) -> None:
        for actor in self._dead:
            its = [future for future, by in self._by.items() if by == actor]
            wait(its, timeout=_PATIENCE)  # its other jobs end with it
            for future in its:
                del self._by[future]
            self._actors.remove(actor)
            self._ray.kill(actor)
            fresh = self._make()
            try:
                _check(self._ray.get([fresh.about.remote()], timeout=_PATIENCE))
            except self._ray.exceptions.RayError as error:  # a timeout is one
                self._ray.kill(fresh)
                if not self._actors:
                    raise WorkerError(LOST) from error
                continue
            self._actors.append(fresh)
        self._dead, self.size = set(), len(self._actors)

    def close(self, *, wait: bool) -> None:
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors = []
        if self._ours:
            self._ray.shutdown()


class _Actor:
    def __init__(self, payload: bytes, workers: int) -> None:
        settle()
        os.environ[WORKERS] = str(min(workers, cores()))
        self._work = pickle.loads(payload)
        settle()

    def about(self) -> dict[str, Any]:
        return versions_and_machine()

    def do(self, job: Any) -> Any:
        return self._work(job)


def _check(found: list[dict[str, Any]]) -> None:
    """Check that all machines use the same library versions and the same kind of processor as this process.

    The labels are identical in every bit only if all machines have the same libraries and processors.
    """
    here = versions_and_machine()
    for there in found:
        other = [f"{n} {v}" for n, v in there["versions"].items() if here["versions"].get(n) != v]
        missing = [n for n in here["versions"] if n not in there["versions"]]
        if other or missing:
            raise WorkerError(
                f"expected workers with the same library versions as this process, got {', '.join(other + [f'no {n}' for n in missing])}; "
                "install the same versions on every machine of the cluster"
            )
    kinds = {there["machine"]["processor"] for there in found} - {here["machine"]["processor"]}
    if kinds:
        warnings.warn(
            f"expected processors of one kind, got {', '.join(sorted(kinds))} besides {here['machine']['processor']}; if "
            "two scores are almost equal, a label may depend on the processor",
            stacklevel=2,
        )
