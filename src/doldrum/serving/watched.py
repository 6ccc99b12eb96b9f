"""The watch (the test for drift) of a service: its verdict, and a file that keeps its state over restarts."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from pathlib import Path

from doldrum.detectors import Guard
from doldrum.detectors.deploy.watch import Watch, WatchVerdict
from doldrum.errors import InputError
from doldrum.files import write_text_whole
from doldrum.locks import locked

__all__ = ["Watched"]

_EVERY = 1000  # images between two writes: what a kill can lose
_MOST_BYTES = 64 << 20  # of a watch's file: thousands of classes take a few
_LOG = logging.getLogger(__name__)


def _read(guard: Guard, kept: Path) -> None:
    """Let the guard continue the watch whose state is in the file, if the file exists."""
    calibration = guard.detector.calibration
    if not kept.exists() or calibration is None:
        return
    try:
        if kept.stat().st_size > _MOST_BYTES:
            raise ValueError("too large")
        guard.watch = Watch.restored(calibration, json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, InputError) else "something else"
        raise InputError(
            f"expected the file of this detector's watch as watch=, got {kept} ({why}); name a new file, which will be made"
        ) from error


class Watched:
    """Follows a Guard's watch.

    `verdict` is the watch's verdict after the last batch. Each change of the verdict is logged.

    If the file `kept` exists, the guard continues the watch from the state in this file. The watch's state is written
    to this file every 1,000 images and at `close`. Until `close`, no other service can use the file: an empty file
    NAME.lock next to it is locked, and stays there. If the watch fails, the error is logged once. The watch is then no
    longer updated, and the file keeps its last state. Raises InputError if the file is not the state of a watch, if it
    belongs to a detector with another calibration, or if another running service uses it.
    """

    def __init__(self, guard: Guard, kept: Path | None = None) -> None:
        self._guard, self._kept, self._failed = guard, kept, False
        with contextlib.ExitStack() as held:
            if kept is not None:
                _take(kept, held)
                _read(guard, kept)
            self._held = held.pop_all()
        self.verdict: WatchVerdict = guard.watch.verdict
        self._written = self.verdict.images

    def look(self) -> None:
        """Update the verdict after a batch, on the thread that judged the batch."""
        if self._failed:
            return
        try:
            self._look()
        except Exception as error:
            self._failed = True
            _LOG.error(
                "the watch failed and has stopped; images are still answered: %s: %s", type(error).__name__, error
            )

    def _look(self) -> None:
        before, self.verdict = self.verdict, self._guard.watch.verdict
        if self.verdict.kind != before.kind:
            _LOG.warning("after %d images: %s", self.verdict.images, self.verdict.words)
        if self.verdict.kind != before.kind or self.verdict.images >= self._written + _EVERY:
            self._write()

    def close(self) -> None:
        """Write the state to the file, and unlock the file."""
        with self._held:
            if not self._failed:
                self._write()

    def _write(self) -> None:
        """Write the state to the file. If the file cannot be written, for example on a full disk, log the error and
        continue."""
        self._written = self.verdict.images
        if self._kept is None:
            return
        try:
            write_text_whole(self._kept, json.dumps(self._guard.watch.state()) + "\n")
        except OSError as error:
            _LOG.error(
                "the watch was not written to %s (%s); images are still answered, and writing is tried again after %d images and at the end",
                self._kept,
                os.strerror(error.errno) if error.errno else error,
                _EVERY,
            )


def _take(kept: Path, held: contextlib.ExitStack) -> None:
    """Lock the file `kept` for this service.

    The file itself is replaced at each write, so the lock is on a second file next to it.
    """
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        held.enter_context(locked(kept.with_name(f"{kept.name}.lock")))
    except InputError as error:
        raise InputError(
            f"expected watch= to be a file that no other service writes, got {kept}, which another service writes; name another file, or stop that service"
        ) from error
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        raise InputError(f"expected a file that can be written as watch=, got {kept} ({why}); name another") from error
