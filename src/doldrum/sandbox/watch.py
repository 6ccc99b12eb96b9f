"""What the parent checks while a confined process runs: the time, its resident memory, and the size of what it wrote."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from doldrum.sandbox.limits import Limits

__all__ = ["Watch"]


class Watch:
    """Checks which limit a process has exceeded, if any.

    The memory use is read from /proc if there is one (Linux). The memory use includes shared memory, which RLIMIT_DATA
    leaves out. Measuring the size of the folders takes at most a tenth of the time, because it is done only now and
    then.
    """

    def __init__(self, pid: int, limits: Limits, folders: Iterable[str | os.PathLike[str]]) -> None:
        self.pid, self.limits, self.folders = pid, limits, [os.fspath(folder) for folder in folders]
        self.end = time.monotonic() + limits.seconds
        self.before, self.next_look, self.next_memory = self._size(), 0.0, 0.0

    def allow(self, seconds: float) -> None:
        """Restart the time limit: the process may run for `seconds` from now on."""
        self.end = time.monotonic() + seconds

    def exceeded(self) -> str | None:
        """The name of a limit that the process has exceeded: "time", "memory" or "disk". The result is None if no limit
        is exceeded."""
        now = time.monotonic()
        if now > self.end:
            return "time"
        if now >= self.next_memory:
            self.next_memory = now + 0.02
            if self._resident() > self.limits.memory:
                return "memory"
        if now >= self.next_look:
            size = self._size()
            took = time.monotonic() - now
            self.next_look = time.monotonic() + max(0.5, 10 * took)
            if size - self.before > self.limits.disk:
                return "disk"
        return None

    def _resident(self) -> int:
        try:
            with open(f"/proc/{self.pid}/status") as file:
                lines = dict(line.split(":", 1) for line in file if line.startswith("Rss"))
        except (OSError, ValueError):
            return 0
        # pages of mapped files can be dropped at any time, so they are not its own
        kinds = ("RssAnon", "RssShmem")
        return sum(int(lines[kind].split()[0]) for kind in kinds if kind in lines) * 1024

    def _size(self) -> int:
        total, left = 0, list(self.folders)
        while left:
            try:
                with os.scandir(left.pop()) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            left.append(entry.path)
                        else:
                            found = entry.stat(follow_symlinks=False)
                            total += 512 * found.st_blocks if hasattr(found, "st_blocks") else found.st_size
            except OSError:
                continue
        return total
