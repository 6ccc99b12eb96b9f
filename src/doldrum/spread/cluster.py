"""Workers on a Ray cluster: actors that hold the work, one CPU and one thread each."""

from __future__ import annotations

import os
import pickle
import warnings
from concurrent.futures import Future
from typing import Any

from doldrum.errors import InputError, WorkerError, missing_extra
from doldrum.provenance import versions_and_machine
from doldrum.spread.pool import LOST, Pool, settle

__all__ = ["RayPool"]


class RayPool(Pool):
    """An actor that dies is not started again: the run says so and ends, to be continued on what is left of the cluster."""

    def __init__(self, work: Any, workers: int | None, address: str) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
            from ray import cloudpickle
        except ImportError as error:
            raise missing_extra("ray", "ray", error) from error
        self._ray, self._workers, self._address = ray, workers, address
        self._actors: dict[Any, list[Future[Any]]] = {}
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
                f"expected at most a worker for each CPU of the cluster, got {self.size} for {cpus}; ask for fewer"
            )
        payload = ray.put(self._payload)
        made = ray.remote(num_cpus=1, max_restarts=0)(_Actor)
        self._actors = {made.remote(payload): [] for _ in range(self.size)}
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
        for actor, futures in self._actors.items():
            self._actors[actor] = [future for future in futures if not future.done()]
        idlest = min(self._actors, key=lambda actor: len(self._actors[actor]))
        future = idlest.do.remote(job).future()
        self._actors[idlest].append(future)
        return future

    def outcome(self, future: Future[Any]) -> Any:
        errors = self._ray.exceptions
        try:
            return future.result()
        except errors.RayTaskError as error:
            raise error.cause from error
        except errors.RayError as error:
            raise WorkerError(LOST) from error

    def close(self, *, wait: bool) -> None:
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors = {}
        if self._ours:
            self._ray.shutdown()


class _Actor:
    def __init__(self, payload: bytes) -> None:
        settle()
        self._work = pickle.loads(payload)
        settle()

    def about(self) -> dict[str, Any]:
        return versions_and_machine()

    def do(self, job: Any) -> Any:
        return self._work(job)


def _check(found: list[dict[str, Any]]) -> None:
    """Labels are bit for bit those of this process only where the same libraries compute, on processors of one kind."""
    here = versions_and_machine()
    for there in found:
        other = [f"{n} {v}" for n, v in there["versions"].items() if here["versions"].get(n) != v]
        missing = [n for n in here["versions"] if n not in there["versions"]]
        if other or missing:
            raise WorkerError(
                f"expected workers with the versions of this process, got {', '.join(other + [f'no {n}' for n in missing])}; "
                "install the same on every machine of the cluster"
            )
    kinds = {there["machine"]["processor"] for there in found} - {here["machine"]["processor"]}
    if kinds:
        warnings.warn(
            f"expected processors of one kind, got {', '.join(sorted(kinds))} besides {here['machine']['processor']}; where "
            "scores are equal to the last bits, a label may depend on the processor",
            stacklevel=2,
        )
