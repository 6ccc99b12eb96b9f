"""Checked: the results of checking a classifier and its engine before a run.

A later run can use these results and skip the checks.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from doldrum.checks import is_list, is_object
from doldrum.classifiers.base import Classifier
from doldrum.engines import ENGINES, EngineChoice
from doldrum.errors import InputError
from doldrum.provenance import versions_and_machine

__all__ = ["Checked", "this_machine"]


def this_machine() -> str:
    """A hash (64 hexadecimal digits) of the library versions and of this machine."""
    return hashlib.sha256(json.dumps(versions_and_machine(), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Checked:
    """A classifier that passed its checks, and the engine that was chosen for it.

    Parameters
    ----------
    classifier : str
        The classifier's fingerprint.
    rows : int
        The number of rows in a batch of the engine. With batches of this size, it was checked whether the rows of a
        batch influence each other.
    choice : EngineChoice
    notes : strings
        Unusual but harmless facts that the checks found, as text.
    machine : str
        The result of `this_machine()` on the machine where the classifier was checked.
    """

    classifier: str
    rows: int
    choice: EngineChoice
    notes: tuple[str, ...]
    machine: str

    @property
    def name(self) -> str:
        """The name that selects the same engine again, such as "openvino-fp32"."""
        both = f"{self.choice.engine}-{self.choice.precision}"
        return both if both in ENGINES else self.choice.engine

    def holds(self, classifier: Classifier, rows: int) -> bool:
        """Whether these results are valid for this classifier and this number of rows, on this machine with its library
        versions."""
        return (self.rows, self.machine) == (rows, this_machine()) and self.classifier == classifier.fingerprint

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {**asdict(self), "notes": list(self.notes)}

    @classmethod
    def from_dict(cls, value: Any) -> Checked:
        """Read the output of `to_dict`.

        Raises InputError unless `value` holds the fields and types of `to_dict`'s output, because `value` may come from
        a hostile file.
        """
        kinds = {"classifier": str, "rows": int, "choice": dict, "notes": list, "machine": str}
        within = {"engine": str, "precision": str, "agreement": float, "checked": int, "mixes_inputs": bool}
        fine = is_object(value) and _of_kinds(value, kinds) and _of_kinds(value["choice"], within)
        fine = fine and is_list(value["notes"]) and all(isinstance(note, str) for note in value["notes"])
        if not fine or value["rows"] < 1 or value["choice"]["engine"] not in {n.partition("-")[0] for n in ENGINES}:
            raise InputError(
                "expected the results of an earlier check of a classifier and its engine, got other fields; fit again"
            )
        return cls(
            value["classifier"], value["rows"], EngineChoice(**value["choice"]), tuple(value["notes"]), value["machine"]
        )


def _of_kinds(value: Any, kinds: dict[str, type]) -> bool:
    return set(value) == set(kinds) and all(type(value[name]) is kind for name, kind in kinds.items())
