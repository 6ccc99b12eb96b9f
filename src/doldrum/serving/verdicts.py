"""The answers to clients, as dataclasses that FastAPI converts to JSON and to its OpenAPI page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Answer", "Verdict"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The result for one image: its label, p-value and flag, or an error.

    `id` is the file's name in the form, made safe to show, or its number. `label` is the predicted class (None if the
    scores were not finite), and `class_name` is its name, if the model has names. `p_value` is a conformal p-value in
    (0, 1]. `flag` says whether p_value <= fpr. If there is no result, `error` gives the reason.
    """

    id: str
    label: int | None = None
    class_name: str | None = None
    p_value: float | None = None
    flag: bool | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The verdicts of a request, in the order of its images.

    `flagged` is the number of images that are flagged at the promised false-positive rate `fpr`.
    """

    results: Sequence[Verdict]
    flagged: int
    fpr: float
