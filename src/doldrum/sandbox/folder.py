"""A confined process's temporary folder, which is removed at the end. If a process was killed, a later process removes the folder."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import threading
import time
import weakref

__all__ = ["OwnFolder", "remove_leftovers", "remove_own"]

_PREFIX = "doldrum-run-"
_YOUNGEST = 60.0  # seconds: a folder that was made just now is not locked yet
_looked = False
_there: weakref.WeakSet[OwnFolder] = weakref.WeakSet()


class OwnFolder:
    """A new temporary folder, locked while this process lives. `path` is the folder's absolute path, with all links
    resolved.

    A process that is killed cannot remove its temporary folders. So before a process makes its own first temporary
    folder, it removes the temporary folders of processes that were killed earlier.
    """

    def __init__(self) -> None:
        global _looked
        if not _looked:
            _looked = True
            remove_leftovers()
        # Python's installation on Windows can't remove a folder whose files are still open in a dying process
        made = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
        self.path = os.path.realpath(made.name)
        self._end = weakref.finalize(self, _remove, made, _lock(self.path))
        self._removing = threading.Lock()
        _there.add(self)

    def remove(self) -> None:
        """Remove the folder now. Calling `remove` twice or in two threads is safe: when a call returns, the folder is gone."""
        with self._removing:
            self._end()


def remove_own() -> None:
    """Remove all temporary folders of this process, which is about to exit without Python's cleanup."""
    for folder in list(_there):
        folder.remove()


def remove_leftovers() -> None:
    """Remove folders of processes that were killed: folders of this user that are older than a minute and not locked.

    The operating system releases a lock when its process ends. So the lock also shows whether a process in another container still runs.
    """
    try:
        entries = [e for e in os.scandir(tempfile.gettempdir()) if e.name.startswith(_PREFIX)]
    except OSError:
        return
    for entry in entries:
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:  # it went
            continue
        mine = stat.S_ISDIR(found.st_mode) and hasattr(os, "geteuid") and found.st_uid == os.geteuid()
        if mine and time.time() - found.st_mtime > _YOUNGEST and (handle := _lock(entry.path)) is not None:
            shutil.rmtree(entry.path, ignore_errors=True)  # follows no links
            os.close(handle)


def _lock(path: str) -> int | None:
    """Lock the folder, and return the lock's handle. The result is None if another process holds the lock, or if the
    system has no locks for folders."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _remove(made: tempfile.TemporaryDirectory[str], handle: int | None) -> None:
    made.cleanup()
    if handle is not None:
        os.close(handle)
