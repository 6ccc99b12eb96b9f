"""Keeps each inspector's result in a file, so that an interrupted run continues.

Stops inspectors when the time is over.

The code in this file runs in the confined process. An inspector's result is called its reading.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from doldrum.attacks import load_trigger
from doldrum.confined.job import Tell
from doldrum.confined.scanning.budget import Deadline
from doldrum.errors import ClassifierError
from doldrum.files import write_text_whole
from doldrum.inspectors import Inspector, Reading, Route, Subject

__all__ = ["OVER", "STEPS", "Keeping", "check_read"]

OVER = "the time given by --budget ran out before the inspector finished"
STEPS = 100
"""The number of steps of an inspector's progress bar."""


@dataclass
class Keeping:
    """Gets the inspectors' readings. If a reading is already in `folder`, it is loaded. Otherwise the reading is
    computed, and written to `folder`.

    An inspector that is still running when the time is over is stopped. The reading of a stopped inspector says that
    the time was over, and is not stored.
    """

    folder: Path
    tell: Tell
    deadline: Deadline

    def has(self, inspector: Inspector) -> bool:
        """Whether `folder` already has a reading of this inspector."""
        return self._path(inspector).exists()

    def _path(self, inspector: Inspector) -> Path:
        return self.folder / f"reading-{inspector.name}.json"

    def read(self, inspector: Inspector, subject: Subject) -> Reading:
        path = self._path(inspector)
        if not path.exists():
            if self.deadline.over:
                return Reading(inspector.name, {}, refused=OVER)
            self.tell({"stage": inspector.name, "total": STEPS})
            try:
                found = inspector.read(replace(subject, advance=self._advance(inspector.weight)))
            except _OverError:
                return Reading(inspector.name, {}, refused=OVER)
            write_text_whole(path, json.dumps(_written(found)))
        return _read(json.loads(path.read_text(encoding="utf-8")))

    def _advance(self, weight: float) -> Any:
        done = [0.0, 0]

        def advance(share: float) -> None:
            if self.deadline.over:
                raise _OverError
            done[0] += STEPS * share / max(weight, 1e-9)
            if (steps := int(done[0]) - int(done[1])) > 0:
                done[1] += steps
                self.tell({"done": steps})

        return advance


class _OverError(Exception):
    """Raised to stop an inspector when the time limit is reached. This class is not a DoldrumError, because inspectors
    treat a DoldrumError as an error of the model.
    """


def _written(found: Reading) -> dict[str, Any]:
    triggers = [[route.source, route.target, one.to_dict()] for route, one in found.triggers.items()]
    return found.to_dict() | {"triggers": triggers}


def _read(found: dict[str, Any]) -> Reading:
    """Make a reading from its JSON form. A new reading is written as JSON and then loaded too, so that a continued run
    gives the same results.
    """
    triggers = {Route(source, target): load_trigger(one) for source, target, one in found.pop("triggers")}
    return replace(Reading.from_dict(found), triggers=triggers)


def check_read(readings: tuple[Reading, ...]) -> None:
    """Raise ClassifierError if no inspector has a result for the model."""
    if any(one.values for one in readings):
        return
    if all(one.refused == OVER for one in readings):
        raise ClassifierError(
            "expected a budget= that is long enough for at least one inspector, got too little time; give more time"
        )
    why = "; ".join(dict.fromkeys(one.refused for one in readings if one.refused))
    raise ClassifierError(f"expected a model that an inspector can examine, got one that none can examine ({why})")
