"""The watch of a service's stream: what it says, and a file that it is kept in over restarts."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from doldrum.detectors import Guard
from doldrum.detectors.deploy.watch import Watch, WatchVerdict
from doldrum.errors import InputError
from doldrum.files import write_text_whole

__all__ = ["Watched", "read_watch"]

_EVERY = 1000  # images between two writes: what a kill can lose


def read_watch(guard: Guard, kept: Path | None) -> None:
    """Have the guard go on with the watch in the file, where there is one.

    Raises InputError for a file of something else, or of a detector that was calibrated otherwise.
    """
    calibration = guard.detector.calibration
    if kept is None or not kept.exists() or calibration is None:
        return
    try:
        guard.watch = Watch.restored(calibration, json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        why = str(error) if isinstance(error, InputError) else "something else"
        raise InputError(
            f"expected the file of this detector's watch as watch=, got {kept} ({why}); name another, which is made"
        ) from error


class Watched:
    """Follows a Guard's watch: `verdict` is what it said after the last batch; a change of it is logged, once.

    With `kept`, the watch's state is in that file every 1,000 images, and after `write`.
    """

    def __init__(self, guard: Guard, kept: Path | None = None) -> None:
        self._guard, self._kept = guard, kept
        self.verdict: WatchVerdict = guard.watch.verdict
        self._written = self.verdict.images

    def look(self) -> None:
        """After a batch, on the thread that judged it."""
        before, self.verdict = self.verdict, self._guard.watch.verdict
        if self.verdict.kind != before.kind:
            logging.getLogger(__name__).warning("after %d images: %s", self.verdict.images, self.verdict.words)
        if self.verdict.kind != before.kind or self.verdict.images >= self._written + _EVERY:
            self.write()

    def write(self) -> None:
        """The state into the file; a full disk is logged, and the service goes on."""
        self._written = self.verdict.images
        if self._kept is None:
            return
        try:
            write_text_whole(self._kept, json.dumps(self._guard.watch.state()) + "\n")
        except OSError as error:
            logging.getLogger(__name__).error("the watch was not written to %s: %s", self._kept, error)
