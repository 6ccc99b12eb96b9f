"""The record of a repair of a model that somebody else made.

The texts in a repair's record come from files that an attacker may have written. Escape each text of a record at the
place where the text is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doldrum.errors import InputError
from doldrum.records.base import VERSION, Record
from doldrum.records.checks import check_order, number, whole
from doldrum.records.material import check_head, counted_share, keys, text, verdict
from doldrum.tables import html_table

__all__ = ["WORDS", "RepairRecord"]

WORDS = ("trigger gone", "trigger still works", "not shown to be gone", "no trigger to test")
"""The possible verdicts on a repair."""
_FAILED = WORDS[1:3]


@dataclass(frozen=True, kw_only=True)
class RepairRecord(Record):
    """All results of `doldrum repair`, except the repaired model.

    Parameters
    ----------
    created : UTC time, ISO 8601
    doldrum : version of doldrum
    command : the command line that repeats the repair
    seed : the seed of all random numbers
    model : as in an :class:`doldrum.records.audit.AuditRecord`
    clean : {source, images, fit, test: numbers of images, labels: "given" or "model"}
    method : {name, title, settings}
    recovered : {inspector: the method that found the trigger, or null if an explanation proved it, source, target: classes, or null for any}, or null if no trigger was given
    accuracy : {before, after: {hits, n, value, lower, upper}, difference: {value, lower, upper}} on the held-back images, or null without labels
    agreement : {hits, n, value, lower, upper}: the share of held-back images that both models give the same label
    success : {before, after: {hits, n, value, lower, upper}} of the recovered trigger on the held-back images, or null
    larger : how many times larger the smallest trigger for the same source and target class is after the repair, or null
    repaired : {name, sha256, bytes} of the file that was written
    seconds : how long the repair and its tests took
    verdict : {word: one of WORDS, exit_code: 0 or 3, heading, sentences: [text]}

    Raises InputError for a value of the wrong type, a share outside [0, 1], a class that the model lacks, or text over 4,000 characters.
    """

    created: str
    doldrum: str
    command: str
    seed: int
    model: Mapping[str, Any]
    clean: Mapping[str, Any]
    method: Mapping[str, Any]
    recovered: Mapping[str, Any] | None
    accuracy: Mapping[str, Any] | None
    agreement: Mapping[str, Any]
    success: Mapping[str, Any] | None
    larger: float | None
    repaired: Mapping[str, Any]
    seconds: float
    verdict: Mapping[str, Any]
    version: int = VERSION

    def __post_init__(self) -> None:
        check_head(self)

        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        put("clean", _clean(keys(self.clean, "clean", ("source", "images", "fit", "test", "labels"))))
        put("method", _texts(keys(self.method, "method", ("name", "title", "settings")), "method"))
        if self.recovered is not None:
            found = keys(self.recovered, "recovered", ("inspector", "source", "target"))
            put("recovered", _recovered(found, self.model["num_classes"]))
        put("agreement", counted_share(self.agreement, "agreement"))
        for name, more in (("accuracy", ("difference",)), ("success", ())):
            if getattr(self, name) is not None:
                put(name, _pair(keys(getattr(self, name), name, ("before", "after", *more)), name))
        if self.larger is not None:
            number(self.larger, "larger")
        number(self.seconds, "seconds")
        repaired = keys(self.repaired, "repaired", ("name", "sha256", "bytes"))
        whole(repaired["bytes"], "bytes", least=1)
        put("repaired", repaired | _texts({k: repaired[k] for k in ("name", "sha256")}, "repaired"))
        put("verdict", _verdict(verdict(self.verdict, ("word",))))
        allowed = WORDS[3:] if self.recovered is None else WORDS[2:3]
        if self.success is not None:
            allowed = WORDS[:3]
        if (word := self.verdict["word"]) not in allowed:
            raise InputError(
                f"expected the verdict {' or '.join(allowed)}, which fits the record's success rate and trigger, got {word}; run the repair again"
            )

    def _repr_html_(self) -> str:
        """The verdict in words, for notebooks; the report shows all results."""
        return html_table(
            self.verdict["heading"],
            {"method": self.method["name"]},
            columns=["what it means"],
            rows=[[sentence] for sentence in self.verdict["sentences"]],
        )


def _texts(found: dict[str, Any], name: str) -> dict[str, Any]:
    for key, value in found.items():
        text(value, f"{name} {key}")
    return found


def _clean(clean: dict[str, Any]) -> dict[str, Any]:
    text(clean["source"], "clean source")
    for name in ("images", "fit", "test"):
        whole(clean[name], name, least=1)
    if clean["labels"] not in ("given", "model"):
        raise InputError(f"expected labels 'given' or 'model', got {clean['labels']!r}; run the repair again")
    return clean


def _recovered(found: dict[str, Any], classes: int) -> dict[str, Any]:
    if found["inspector"] is not None:
        text(found["inspector"], "inspector", 100)
    for name in ("source", "target"):
        if found[name] is not None and whole(found[name], name) >= classes:
            raise InputError(f"expected {name} as a class below {classes}, got {found[name]}; run the repair again")
    return found


def _pair(found: dict[str, Any], name: str) -> dict[str, Any]:
    for key in ("before", "after"):
        counted_share(found[key], f"{name} {key}")
    if "difference" in found:
        change = keys(found["difference"], "difference", ("value", "lower", "upper"))
        for value in change.values():
            if abs(number(value, "difference")) > 1:
                raise InputError(f"expected a difference of shares in [-1, 1], got {value}; run the repair again")
        check_order(change["lower"], change["upper"], "difference")
    return found


def _verdict(found: dict[str, Any]) -> dict[str, Any]:
    if found["word"] not in WORDS:
        raise InputError(f"expected a verdict among {', '.join(WORDS)}, got {found['word']!r}; run the repair again")
    if (found["word"] in _FAILED) != (found["exit_code"] == 3):
        raise InputError(
            f"expected exit code 3 if and only if the trigger is not shown to be gone, got exit code {found['exit_code']}"
        )
    return found
