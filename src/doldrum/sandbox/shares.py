"""How much memory each of several confined processes may use if workers share a machine."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["WORKERS", "memory_share"]

WORKERS = "DOLDRUM_WORKERS"
"""The name of an environment variable. In a worker process, this variable holds the number of workers that share the
machine (`doldrum.spread`)."""


def memory_share(size: int) -> int:
    """Return `size`. In a worker process, the result is at most this worker's share of the machine's memory. The
    process that started the workers also has a share of the memory.

    >>> memory_share(1 << 30) <= 1 << 30
    True
    """
    workers, whole = os.environ.get(WORKERS, ""), _whole_memory()
    return min(size, whole // (int(workers) + 1)) if workers.isdigit() and whole else size


def _whole_memory() -> int | None:
    """The memory of this machine, or of this process's cgroup, in bytes; None if it isn't known."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        whole = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))
    except (OSError, StopIteration, ValueError):
        return None
    try:
        return min(whole, int(Path("/sys/fs/cgroup/memory.max").read_text()))  # "max" where there is no limit
    except (OSError, ValueError):
        return whole
