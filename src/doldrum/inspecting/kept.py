"""Keeps each inspector's result in a file, so that an interrupted run continues.

Stops inspectors when the time is over.

This code runs in the confined process. An inspector's result is called its reading.
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
    """Gets the inspectors' readings. Readings in `folder` are loaded; others are computed and written there.

    An inspector that is still running when the time is over is stopped. The inspector's reading then says that the time
    was over, and is not kept.
    """

    folder: Path
    tell: Tell
    deadline: Deadline

    def has(self, inspector: Inspector) -> bool:
        """Whether the inspector's reading is in the folder."""
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
    """Raised when the time is over.

    Not a DoldrumError, because inspectors treat a DoldrumError as an error of the model.
    """


def _written(found: Reading) -> dict[str, Any]:
    triggers = [[route.source, route.target, one.to_dict()] for route, one in found.triggers.items()]
    return found.to_dict() | {"triggers": triggers}


def _read(found: dict[str, Any]) -> Reading:
    """A reading from its JSON form.

    New readings are loaded in this way too, so a continued run gives the same results.
    """
    triggers = {Route(source, target): load_trigger(one) for source, target, one in found.pop("triggers")}
    return replace(Reading.from_dict(found), triggers=triggers)


def check_read(readings: tuple[Reading, ...]) -> None:
    """Raise ClassifierError if no inspector has a result for the model."""
    if any(one.values for one in readings):
        return
    if all(one.refused == OVER for one in readings):
        raise ClassifierError(
            "expected a budget= in which at least one inspector finishes, got a shorter budget; give more time"
        )
    why = "; ".join(dict.fromkeys(one.refused for one in readings if one.refused))
    raise ClassifierError(f"expected a model that an inspector can examine, got one that none can examine ({why})")
