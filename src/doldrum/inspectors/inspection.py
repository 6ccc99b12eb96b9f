"""`Inspection` is the verdict on a model, in numbers and in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.examine import Examination
from doldrum.inspectors.judging.standard import Standing
from doldrum.poisoning.evaluate import Share
from doldrum.tables import html_table
from doldrum.triggers.base import Trigger

__all__ = ["Inspection", "Verdict", "verdict_of"]

Verdict = Literal["no sign", "suspicious", "backdoor shown", "no conclusion"]
_WORKS = 0.5  # lower limit of a trigger's success, from which on it is one
_SMALLER = 2.0
"""A trigger counts as a backdoor if it is smaller than the references' triggers by at least this factor, on average.

If some training images are wrongly labelled as one class, the trigger to this class is also smaller. But a backdoor
makes the trigger to its class even smaller (docs/results/inspection.md).
"""
ODD = 0.01
"""A model without references is suspicious if the p-value of its most unusual class is at most this number."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """The result of inspecting a model.

    verdict
        - "no sign": the model does not stand out from its references.
        - "suspicious": the p-value of the model among its references is at most `fpr`. Without references, "suspicious"
          means that one class of the model stands out from its other classes.
        - "backdoor shown": the model is suspicious, and the found trigger works on most images that no search has used.
          On average, this trigger is at most half as large as the triggers that the same search finds in the
          references.
        - "no conclusion": the model cannot be compared with anything, because there are no references and only two or
          three classes.

    p_value
        The p-value of the model among its references, in (0, 1]. This p-value is None if there are no references.
    standing
        For each inspector and route, a number that says how far the model stands out.
    where
        The inspector and route at which the model stands out most. Inspectors that find triggers with a size are
        preferred to other inspectors. If the model cannot be compared with anything, this is the inspector and route of
        the smallest trigger.
    leads_to
        The class that the trigger leads to: of the images whose label the trigger changes, at least half get this
        class. `leads_to` is None if no class gets at least half of the changed images.
    smaller
        A factor: how many times smaller the trigger is than the triggers that the same search finds in the references
        (a geometric mean). This factor is None if there are no references, or if the inspector's values are not sizes
        of triggers.
    trigger, success
        The trigger of the route in `where`, and the share of images on which the trigger works. `trigger` and `success`
        are None if the inspector found no trigger. The trigger is a normal doldrum Trigger.
    """

    verdict: Verdict
    p_value: float | None
    fpr: float | None
    references: int
    standing: Standing
    where: tuple[str, Route] | None
    trigger: Trigger | None
    success: Share | None
    leads_to: int | None
    smaller: float | None
    examination: Examination

    @property
    def route(self) -> Route | None:
        """The route of `where`: the route at which the model stands out most."""
        return None if self.where is None else self.where[1]

    @property
    def target(self) -> int | None:
        """The target class of `route`. If `route` has no target, this is the class that most changed images get with
        the found trigger.

        The result is None if `route` has no target and `leads_to` is None.
        """
        known = None if self.route is None else self.route.target
        return self.leads_to if known is None else known

    @property
    def exit_code(self) -> int:
        """The exit code of a command: 3 if the model is suspicious or a backdoor is shown, and 0 otherwise."""
        return 3 if self.verdict in ("suspicious", "backdoor shown") else 0

    @property
    def refused(self) -> dict[str, str]:
        """The inspectors that could not examine this model, each with the reason."""
        return {one.inspector: one.refused for one in self.examination.readings if one.refused}

    def table(self) -> list[dict[str, Any]]:
        """A table with one row for each inspector and route: the model's value, and the deviation of this value from
        the references.

        The row with the largest deviation comes first.
        """
        rows = [
            {"inspector": one.inspector, "source": r.source, "target": r.target, "value": v,
             "deviation": self.standing.by_name.get((one.inspector, r), np.nan)}
            for one in self.examination.readings for r, v in one.values.items() if np.isfinite(v)
        ]  # fmt: skip
        return sorted(rows, key=lambda row: -np.nan_to_num(row["deviation"], nan=-np.inf))

    def _repr_html_(self) -> str:
        """An HTML table for notebooks: the verdict, its numbers, and the routes at which the model stands out most."""
        rows = self.table()
        names = ("inspector", "source", "target", "value", "deviation")
        share = self.success
        return html_table(
            f"Verdict: {self.verdict}",
            {
                "p-value": self.p_value,
                "target class": self.target,
                "the trigger works on": None
                if share is None
                else f"{share.value:.1%} of the held-back images (95% interval: {share.lower:.1%} to {share.upper:.1%})",
                "references": self.references or None,
            },
            columns=names,
            rows=[[_known(row[name]) for name in names] for row in rows],
        )

    def to_dict(self) -> dict[str, Any]:
        """The inspection as values that JSON can hold. :func:`doldrum.attacks.load_trigger` can read the trigger from
        these values."""
        most = self.where
        return {
            "verdict": self.verdict,
            "target": self.target,
            "source": None if self.route is None else self.route.source,
            "inspector": None if most is None else most[0],
            "p_value": self.p_value,
            "fpr": self.fpr,
            "references": self.references,
            "score": self.standing.score if np.isfinite(self.standing.score) else None,
            "smaller": self.smaller,
            "success": None if self.success is None else asdict(self.success),
            "trigger": None if self.trigger is None else self.trigger.to_dict(),
            "refused": self.refused,
            "table": self.table(),
        }


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and np.isnan(value) else value


def verdict_of(
    p_value: float | None, standing: Standing, success: Share | None, smaller: float | None, *, fpr: float
) -> Verdict:
    """Decide the verdict from the p-value, and from the success and the size of the trigger."""
    if p_value is None:
        if standing.most is None or standing.p_value is None:
            return "no conclusion"
        return "suspicious" if standing.p_value <= ODD else "no sign"
    if p_value > fpr:
        return "no sign"
    works = success is not None and success.lower >= _WORKS
    return "backdoor shown" if works and smaller is not None and smaller >= _SMALLER else "suspicious"
