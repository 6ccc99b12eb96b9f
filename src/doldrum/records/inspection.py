"""The record of an inspection of a model that somebody else made.

The texts in an inspection's record come from files that an attacker may have written. Escape each text of a record at
the place where the text is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doldrum.errors import InputError
from doldrum.records.base import VERSION, Record
from doldrum.records.checks import jsonable, number, pair, sequence, share, whole
from doldrum.records.material import accuracy, check_head, counted_share, keys, text, texts, verdict
from doldrum.tables import html_table

__all__ = ["MOST_EXAMPLES", "WORDS", "InspectionRecord"]

WORDS = ("no sign", "suspicious", "backdoor shown", "no conclusion")
"""The possible verdicts on a model."""
MOST_EXAMPLES = 8

_INSPECTORS, _ROUTES = 100, 200_000
_CLEAN = ("source", "images", "sha256", "search", "test", "accuracy", "claimed")
_FINDING = ("inspector", "source", "target", "score", "p_value", "anomaly", "smaller")
_INSPECTOR = ("name", "title", "needs", "seconds", "refused", "values", "band")


@dataclass(frozen=True, kw_only=True)
class InspectionRecord(Record):
    """All results of `doldrum inspect`, except the trigger in trigger.json and the files in pictures/.

    Parameters
    ----------
    created : UTC time, ISO 8601
    doldrum : version of doldrum
    command : the command line that repeats the inspection
    seed : the seed of all random numbers; not secret, because the reference models are examined with the same seed
    model : as in an :class:`doldrum.records.audit.AuditRecord`
    clean : {source, images, sha256 (of the pixels as the model gets them; null in records of older versions), search, test: numbers of images, accuracy: {value, lower, upper, labelled} or null, claimed or null}
    references : {source, count, fpr}, or null if there were no reference models, so that no false-alarm rate is promised
    finding : {inspector, source, target: classes, or null for any, score, p_value or null, anomaly or null, smaller or
    null}: the route (source class, target class) that stands out most. If no routes could be compared with each other,
    `score` is null, and `finding` is the route with the smallest trigger. Without any trigger, `finding` is null.
    `p_value` compares the model with the reference models. If there are no reference models, `anomaly` is the p-value
    of the class that stands out most from the other classes. `smaller` says how many times smaller the trigger is than
    in the reference models
    success : {hits, n, value, lower, upper}, or null: how often the trigger works on images that were used only for this test
    trigger : {kind, factor, examples: [{before, after: classes, -1 for no valid answer}]}, or null
    inspectors : for each inspector {name, title, needs, seconds, refused, values: [[source, target, value or null, deviation or null]], band: [low, high] or null}. For each reference model, the route with the largest deviation is taken; `band` holds the smallest and the largest of these deviations
    verdict : {word: one of WORDS, exit_code: 0 or 3, heading, sentences: [text], not_looked: [text]}

    Raises InputError for a value of the wrong type, a share outside [0, 1], a class that the model lacks, or text over 4,000 characters.
    """

    created: str
    doldrum: str
    command: str
    seed: int
    model: Mapping[str, Any]
    clean: Mapping[str, Any]
    references: Mapping[str, Any] | None
    finding: Mapping[str, Any] | None
    success: Mapping[str, Any] | None
    trigger: Mapping[str, Any] | None
    inspectors: tuple[Mapping[str, Any], ...]
    verdict: Mapping[str, Any]
    version: int = VERSION

    def __post_init__(self) -> None:
        check_head(self)

        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        put("clean", _clean(keys({"sha256": None} | jsonable(self.clean, "clean"), "clean", _CLEAN)))
        classes = self.model["num_classes"]
        if self.references is not None:
            put("references", _references(keys(self.references, "references", ("source", "count", "fpr"))))
        if self.finding is not None:
            put("finding", _finding(keys(self.finding, "finding", _FINDING), classes))
        if self.success is not None:
            put("success", counted_share(self.success, "success"))
        if self.trigger is not None:
            put("trigger", _trigger(keys(self.trigger, "trigger", ("kind", "factor", "examples")), classes))
        found = sequence(self.inspectors, "inspectors")
        if len(found) > _INSPECTORS:
            raise InputError(f"expected at most {_INSPECTORS} inspectors, got {len(found):,}; leave some out")
        put("inspectors", tuple(_inspector(keys(one, "inspectors", _INSPECTOR), classes) for one in found))
        put("verdict", _verdict(verdict(self.verdict, ("word", "not_looked"))))
        if self.trigger is None and self.success is not None:
            raise InputError("expected the trigger whose success rate is given, got none; give both or neither")
        if (self.finding is None or self.finding["p_value"] is None) != (self.references is None) and self.finding:
            raise InputError("expected p_value and references together, got only one of the two; give both or neither")

    def _repr_html_(self) -> str:
        """The verdict in words, for notebooks; the report shows all results."""
        finding = self.finding or {}
        return html_table(
            self.verdict["heading"],
            {
                "p-value": finding.get("p_value"),
                "target class": finding.get("target"),
                "references": None if self.references is None else self.references["count"],
            },
            columns=["what it means"],
            rows=[[sentence] for sentence in self.verdict["sentences"]],
        )


def _clean(clean: dict[str, Any]) -> dict[str, Any]:
    text(clean["source"], "clean source")
    if clean["sha256"] is not None and not re.fullmatch("[0-9a-f]{64}", text(clean["sha256"], "clean sha256", 64)):
        raise InputError(
            f"expected clean sha256 as 64 hexadecimal digits, got {clean['sha256']!r}; inspect the model again"
        )
    for name in ("images", "search", "test"):
        whole(clean[name], name)
    accuracy(clean["accuracy"], clean["claimed"])
    return clean


def _references(found: dict[str, Any]) -> dict[str, Any]:
    text(found["source"], "references source")
    whole(found["count"], "references count", least=1)
    share(found["fpr"], "fpr")
    return found


def _class(value: Any, name: str, classes: int, *, least: int = 0) -> None:
    if value is not None and whole(value, name, least=least) >= classes:
        raise InputError(f"expected {name} as a class below {classes}, got {value}; inspect the model again")


def _finding(found: dict[str, Any], classes: int) -> dict[str, Any]:
    text(found["inspector"], "inspector", 100)
    for name in ("source", "target"):
        _class(found[name], name, classes)
    if found["source"] is not None and found["source"] == found["target"]:
        raise InputError(f"expected different classes as source and target, got {found['source']} twice; inspect again")
    if found["score"] is not None:
        number(found["score"], "score")
    for name in ("p_value", "anomaly"):
        if found[name] is not None:
            share(found[name], name)
    if found["smaller"] is not None:
        number(found["smaller"], "smaller")
    return found


def _trigger(found: dict[str, Any], classes: int) -> dict[str, Any]:
    text(found["kind"], "kind of trigger", 100)
    number(found["factor"], "factor")
    examples = [keys(one, "examples", ("before", "after")) for one in sequence(found["examples"], "examples")]
    if len(examples) > MOST_EXAMPLES:
        raise InputError(f"expected at most {MOST_EXAMPLES} examples, got {len(examples):,}; leave some out")
    for one in examples:
        for name in ("before", "after"):
            _class(one[name], name, classes, least=-1)
    return found


def _inspector(found: dict[str, Any], classes: int) -> dict[str, Any]:
    for name in ("name", "title", "needs", "refused"):
        text(found[name], f"inspector {name}")
    if number(found["seconds"], "seconds") < 0:
        raise InputError(f"expected seconds from 0 up, got {found['seconds']}")
    rows = sequence(found["values"], "values")
    if len(rows) > _ROUTES:
        raise InputError(f"expected at most {_ROUTES:,} pairs of classes, got {len(rows):,}")
    for row in rows:
        if len(sequence(row, "values")) != 4:
            raise InputError(
                f"expected rows [source, target, value, deviation] in values, got a row of {len(row)} entries"
            )
        for name, value in zip(("source", "target"), row[:2], strict=True):
            _class(value, name, classes)
        for value in row[2:]:
            if value is not None:
                number(value, "value")
    if found["band"] is not None:
        pair(found["band"], "band")
    return found


def _verdict(found: dict[str, Any]) -> dict[str, Any]:
    if found["word"] not in WORDS:
        raise InputError(f"expected a verdict among {', '.join(WORDS)}, got {found['word']!r}; inspect the model again")
    if (found["word"] in ("suspicious", "backdoor shown")) != (found["exit_code"] == 3):
        raise InputError(
            f"expected exit code 3 if the model is suspicious or worse, and only then, got {found['exit_code']}"
        )
    texts(found["not_looked"], "not_looked", 100)
    return found
