"""The inspection of the model as part of an audit. The inspection runs after the scan, in a folder next to the audit's record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from doldrum.errors import ClassifierError, DoldrumError
from doldrum.inspecting import InspectSettings, run_inspection
from doldrum.records.inspection import InspectionRecord

__all__ = ["Inspected"]

_LEAST = 1.0  # second that an inspection has in any case: enough to say that the time was over

clock: Callable[[], float] = time.monotonic


@dataclass
class Inspected:
    """The record of the inspection, or the reason (`why`) if there is no record. `began` is the time when the audit began, from which its budget is counted."""

    record: InspectionRecord | None = None
    why: str = ""
    began: float = field(default_factory=lambda: clock())

    def run(
        self,
        settings: InspectSettings,
        *,
        budget: float | None,
        sent: int = 0,
        progress: bool,
        say: Callable[[str], None],
    ) -> None:
        """Inspect the model within the rest of the audit's `budget`, and in at most `settings.budget`. If the model can't be inspected, say why.

        `sent` is the number of images that were already sent to an endpoint. These images count towards the endpoint's limit.

        Other errors are raised, after a message that the results of the scan are kept.
        """
        if budget is not None and settings.budget is not None:
            left = max(budget - (clock() - self.began), _LEAST)
            settings = replace(settings, budget=min(settings.budget, left))
        if settings.endpoint_queries is not None and sent > 0:
            settings = replace(settings, endpoint_queries=max(1, settings.endpoint_queries - sent))
        try:
            self.record = run_inspection(settings, progress=progress, say=say)
        except ClassifierError as error:
            self.why = str(error)
            say(f"the model was not inspected: {error}")
        except DoldrumError:
            say(
                "the images are scanned and the results are kept; run the same command again to continue the inspection"
            )
            raise

    def remarks(self) -> list[str]:
        """A list with one sentence for the verdict if the model was not inspected; otherwise an empty list."""
        return [f"The model itself was not inspected: {self.why}."] if self.why else []
