"""What a pool of workers is, and how a worker settles down."""

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
    "expected workers that run to the end, got one that died (killed, or out of memory); what was finished is kept: "
    "run the same command again to continue, with fewer workers or a smaller batch_size if memory was short"
)

NEVER_BEGAN = (
    "expected workers that run to the end, got one that died before any had answered: it was killed, was out of memory (take "
    'fewer workers or a smaller batch_size), or imported a script whose call isn\'t under `if __name__ == "__main__":` (standard '
    "input and notebooks can't be imported at all); what was finished is kept: run the same command again to continue"
)


class Lost(WorkerError):
    """A worker died at a job: it can be replaced, and the job done again."""


class Pool(ABC):
    """`size` workers that each hold the same work. `start`, `submit` jobs, ask each for its `outcome`, `close`."""

    size: int

    @abstractmethod
    def start(self) -> None:
        """Start the workers, or at least find out that they can be."""

    @abstractmethod
    def submit(self, job: Any) -> Future[Any]:
        """Have a worker do a job; raises as `outcome` does where a worker's death shows here."""

    @abstractmethod
    def outcome(self, future: Future[Any]) -> Any:
        """Wait for a job's result; raises what the work raised, Lost for a worker that died, and another WorkerError where none ever began."""

    @abstractmethod
    def replace(self) -> None:
        """After a Lost: new workers in the place of those that died. Jobs that were under way with them are `lost` from then on."""

    @abstractmethod
    def lost(self, future: Future[Any]) -> bool:
        """Whether a job has no result because its worker died; never waits."""

    @abstractmethod
    def close(self, *, wait: bool) -> None:
        """End the workers; `wait` until they are gone, where nothing is under way."""


def settle() -> None:
    """In a worker, before its work is made and again after: one thread."""
    os.environ.update(ONE_THREAD)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)
