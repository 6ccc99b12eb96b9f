"""In the confined process: readings that are kept as they are made, so that a run that was cut off goes on, and that end with the time."""

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

OVER = "the time given by --budget ran out before it finished"
STEPS = 100
"""What the progress bar of an inspector counts."""


@dataclass
class Keeping:
    """Asks inspectors for their readings: those that are in `folder` are read, others are made and written there.

    An inspector that the end of the time meets is given up: its reading says so, and is not kept.
    """

    folder: Path
    tell: Tell
    deadline: Deadline

    def has(self, inspector: Inspector) -> bool:
        """Whether its reading is there."""
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
    """The time is over; no error of doldrum's, which an inspector would take for one of the model."""


def _written(found: Reading) -> dict[str, Any]:
    triggers = [[route.source, route.target, one.to_dict()] for route, one in found.triggers.items()]
    return found.to_dict() | {"triggers": triggers}


def _read(found: dict[str, Any]) -> Reading:
    """The reading as written, so that one that goes on is what one in a single run is."""
    triggers = {Route(source, target): load_trigger(one) for source, target, one in found.pop("triggers")}
    return replace(Reading.from_dict(found), triggers=triggers)


def check_read(readings: tuple[Reading, ...]) -> None:
    """ClassifierError where no inspector could say anything about the model."""
    if any(one.values for one in readings):
        return
    if all(one.refused == OVER for one in readings):
        raise ClassifierError(
            "expected a budget= in which at least one inspector finishes, got one that ended before; give more time"
        )
    why = "; ".join(dict.fromkeys(one.refused for one in readings if one.refused))
    raise ClassifierError(f"expected a model that an inspector can examine, got one that none can examine ({why})")
