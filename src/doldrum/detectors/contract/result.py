"""ScanResult: scores, p-values and flags of the inputs, and the number of flags that is consistent with the promised
false-positive rate."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_number
from doldrum.errors import InputError
from doldrum.stats.conformal import Discoveries, benjamini_hochberg
from doldrum.tables import MOST_ROWS, html_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ScanResult"]


@dataclass(frozen=True, eq=False)
class ScanResult:
    """A detector's results for N inputs.

    Parameters
    ----------
    ids : N strings
    labels : int16 array (N,)
        The classifier's label; -1 if its scores were NaN or infinite.
    scores : float64 array (N,)
        Higher = more suspicious; infinite if the classifier could not answer.
    p_values : float64 array (N,), in (0, 1]
        Conformal p-values: if p is the p-value of a clean input, then P(p <= a) <= a, for every a.
    flags : bool array (N,)
        An input is flagged if p <= fpr, where p is its p-value and fpr is the promised false-positive rate.
    fpr : float
        The promised false-positive rate.
    num_calibration : int
        Number of calibration inputs that the promised rate is based on. With class-conditional calibration, this is the
        number for the class with the fewest inputs.
    limit : int
        The largest number of flags among N clean inputs that is consistent with the promised rate. If all N inputs are
        clean, there are more flags than `limit` in fewer than 5% of cases.
    forwards : int64 array (N,), optional
        The number of forward passes for each input. This number is below the detector's maximum if the detector stopped
        early for the input.
    skipped : (id, why) of items that could not be read; they are not among the N inputs
    notes : sentences about changes of the images, for example that they were resized
    """

    ids: Sequence[str]
    labels: NDArray[np.int16]
    scores: NDArray[np.float64]
    p_values: NDArray[np.float64]
    flags: NDArray[np.bool_]
    fpr: float
    num_calibration: int
    limit: int
    forwards: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        return f"ScanResult({self.num_flagged:,} of {len(self):,} inputs flagged at {self.fpr:g}; at most {self.limit:,} false alarms are expected)"

    def _repr_html_(self) -> str:
        """An HTML table of the most suspicious inputs, which a notebook shows."""
        most = np.lexsort((-self.scores, self.p_values))[:MOST_ROWS]
        return html_table(
            f"{self.num_flagged:,} of {len(self):,} inputs were flagged",
            {
                "promised rate": self.fpr,
                "most flags consistent with the promised rate": self.limit,
                "calibration inputs": self.num_calibration,
                "could not be read": len(self.skipped) or None,
            },
            columns=["id", "predicted class", "score", "p-value", "flagged"],
            rows=[
                [self.ids[i], int(self.labels[i]), float(self.scores[i]), float(self.p_values[i]), bool(self.flags[i])]
                for i in most
            ],
            total=len(self),
        )

    @property
    def num_flagged(self) -> int:
        return int(self.flags.sum())

    @property
    def mean_forwards(self) -> float:
        """The average number of forward passes per input, or 0 if it is not known."""
        return float(self.forwards.mean()) if len(self.forwards) else 0.0

    @property
    def more_than_promised(self) -> bool:
        """Whether the number of flags is above `limit`, the 95% limit for clean inputs. If there are more flags than
        `limit`, some inputs are likely triggered, or differ from the calibration inputs."""
        return self.num_flagged > self.limit

    def flagged(self, fdr: float = 0.1) -> Discoveries:
        """Return a set of suspicious inputs, which the Benjamini-Hochberg procedure chooses. On average, at most a
        share `fdr` of the inputs in this set is clean.

        If there are too few calibration inputs to flag any set, the result's `note` says so.
        """
        if not is_number(fdr):
            raise InputError(f"expected a false-discovery rate in (0, 1), got {fdr!r}; pass 0.1 for 10%")
        return benjamini_hochberg(self.p_values, fdr=fdr, num_calibration=self.num_calibration)

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row per input and the columns id, label, score, p_value and flag. For Polars, use
        `polars.from_pandas(result.to_frame())`."""
        import pandas as pd

        return pd.DataFrame(
            {
                "id": pd.array(list(self.ids), dtype="string"),  # text if there are no rows, too
                "label": self.labels,
                "score": self.scores,
                "p_value": self.p_values,
                "flag": self.flags,
            }
        )

    def __post_init__(self) -> None:
        n = len(self.scores)
        for name in ("ids", "labels", "p_values", "flags"):
            if len(getattr(self, name)) != n:
                raise InputError(
                    f"expected {n} values in {name}, got {len(getattr(self, name))}; give one value per input"
                )
