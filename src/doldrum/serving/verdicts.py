"""What a client is told: dataclasses that FastAPI turns into JSON and into its OpenAPI page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Answer", "Verdict"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Of one image: what the model calls it and whether it is flagged, or why there is no answer.

    `id` is the file's name in the form, made safe to show, or its number; `label` the model's class (None if it gave no finite
    answer) and `class_name` its name, where the model has names; `p_value` conformal, in (0, 1]; `flag` is p_value <= fpr.
    """

    id: str
    label: int | None = None
    class_name: str | None = None
    p_value: float | None = None
    flag: bool | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Verdicts in the order of the request's images; `flagged` of them at the promised false-positive rate `fpr`."""

    results: Sequence[Verdict]
    flagged: int
    fpr: float
