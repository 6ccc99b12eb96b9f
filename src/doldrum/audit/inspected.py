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
    """The record of the inspection; if there is no record, `why` gives the reason. `began` is the time at which the
    audit began, and the audit's budget is counted from `began`."""

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
        """Inspect the model in the seconds that are left of the audit's `budget`, and in at most `settings.budget`
        seconds. If the model can't be inspected, report the reason.

        `sent` is the number of images that the audit has already sent to the model's endpoint. The images that were
        already sent count towards the limit `settings.endpoint_queries`.

        If the inspection fails with an error other than ClassifierError, a message says that the results of the scan
        are kept, and then the error is raised.
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
