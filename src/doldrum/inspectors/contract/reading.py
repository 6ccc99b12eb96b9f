"""`Reading` holds the results of one inspector for one model, as numbers. The package `judging` compares these results
with the results for other models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from doldrum.errors import InputError
from doldrum.inspectors.contract.route import Route
from doldrum.triggers.base import Trigger

__all__ = ["Reading"]


@dataclass(frozen=True)
class Reading:
    """How suspicious each route (a pair of source and target class) is to one inspector.

    A higher value is more suspicious; NaN means no result. `triggers` holds the found triggers by route, if the
    inspector searches for triggers. A reading that was loaded from a file has no triggers. `refused` is the reason why
    the inspector could not examine this model, or "".
    """

    inspector: str
    values: Mapping[Route, float]
    seconds: float = 0.0
    refused: str = ""
    triggers: Mapping[Route, Trigger] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The reading as values that JSON can hold, without the triggers."""
        rows = [[r.source, r.target, None if math.isnan(v) else round(v, 5)] for r, v in self.values.items()]
        return {"inspector": self.inspector, "seconds": round(self.seconds, 2), "refused": self.refused, "values": rows}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Reading:
        """Make the Reading again from the values that `to_dict` wrote. Raises InputError if `values` does not have the
        form that `to_dict` writes.

        >>> one = Reading("mask", {Route(None, 1): -2.5})
        >>> Reading.from_dict(one.to_dict()) == one
        True
        """
        try:
            rows = {Route(s, t): math.nan if v is None else float(v) for s, t, v in values["values"]}
            return cls(str(values["inspector"]), rows, float(values["seconds"]), str(values["refused"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"expected a saved reading, got values with the error {error!r}; examine the model again"
            ) from error
