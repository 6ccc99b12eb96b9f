"""The interface of a pool of workers, and the setup that every worker needs."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from concurrent.futures import Future
from typing import Any

from doldrum.errors import WorkerError

__all__ = ["LOST", "NEVER_BEGAN", "ONE_THREAD", "Lost", "Pool", "settle"]

ONE_THREAD = {
    **dict.fromkeys(("DOLDRUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    # A training recipe may ask for more threads, since sums depend on their number: they share a core and must not spin.
    "OMP_WAIT_POLICY": "PASSIVE",
}

LOST = (
    "expected workers that run to the end, got one that died (killed, or out of memory); finished results are kept: "
    "run the same command again to continue, with fewer workers or a smaller batch_size if memory was short"
)

NEVER_BEGAN = (
    "expected workers that run to the end, got one that died before any had started: it was killed, was out of memory (take "
    'fewer workers or a smaller batch_size), or imported a script whose call isn\'t under `if __name__ == "__main__":` (standard '
    "input and notebooks can't be imported at all); finished results are kept: run the same command again to continue"
)


class Lost(WorkerError):
    """Raised if a worker died during a job. The worker can be replaced, and the job can be done again."""


class Pool(ABC):
    """A pool of `size` workers, each with a copy of the same work.

    Call `start`, then `submit` for each job and `outcome` for each result, and `close` at the end.
    """

    size: int

    @abstractmethod
    def start(self) -> None:
        """Start the workers, or at least check that they can be started."""

    @abstractmethod
    def submit(self, job: Any) -> Future[Any]:
        """Give a job to a worker. Raises the errors of `outcome` if a worker is found dead."""

    @abstractmethod
    def outcome(self, future: Future[Any]) -> Any:
        """Wait for a job's result, and return it. If the job raised an error, `outcome` raises this error again.

        Raises Lost if the worker died, and another WorkerError if no worker ever started.
        """

    @abstractmethod
    def replace(self) -> None:
        """After a Lost error, replace the dead workers. Then the method `lost` returns True for the unfinished jobs of
        dead workers."""

    @abstractmethod
    def lost(self, future: Future[Any]) -> bool:
        """Whether a job has no result because its worker died. This never waits."""

    @abstractmethod
    def close(self, *, wait: bool) -> None:
        """End the workers. `wait` says whether to wait until the workers have ended. Use `wait` only if no job is
        running.
        """


def settle() -> None:
    """Limit a worker to one thread. Each worker calls this function before and after it loads its work."""
    os.environ.update(ONE_THREAD)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
