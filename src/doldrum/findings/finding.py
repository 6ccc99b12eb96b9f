"""Findings: what a command checked, and which images or models are suspicious.

Findings do not depend on the format of the file in which they are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from doldrum.findings.places import Place

__all__ = ["MOST", "Check", "Finding", "Findings", "Level", "Outcome"]

MOST = 5000
"""The largest number of findings that a check lists. The check lists the most suspicious findings, and `Check.unlisted`
counts the others.

GitHub shows at most 5,000 findings of one SARIF file.
"""

Level = Literal["note", "warning", "error"]
Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One suspicious thing: an image, or the model.

    rule : the id of a rule in `doldrum.findings.rules.RULES`
    level : "note" if chance explains the finding, else "warning" or "error"
    message : one sentence; it may contain text from an attacker, which each file format escapes
    name : the image's name, as reports show it; "" if the finding is about the model
    properties : JSON-able values, such as the p-value
    """

    rule: str
    level: Level
    message: str
    place: Place
    name: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question that a command answered: "Are these images clean?" or "Is this model clean?"

    outcome : "failed" if the answer leads to exit code 3; "skipped" if there is no answer; else "passed"
    heading, sentences : the answer in words
    unreadable : (file, reason) for each file that could not be read; `unread` counts the unreadable files that are not listed
    unlisted : the number of findings beyond `MOST`
    """

    name: Literal["images", "model"]
    outcome: Outcome
    heading: str
    sentences: tuple[str, ...]
    place: Place
    findings: tuple[Finding, ...] = ()
    unreadable: tuple[tuple[Place, str], ...] = ()
    unread: int = 0
    unlisted: int = 0
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """All checks of one run of `command` ("audit", "scan" or "inspect"), and the exit code of this run, 0 or 3.

    created : UTC time (ISO 8601)
    doldrum : the version of doldrum that ran the command; "" if it is not known
    line : the command line that repeats the run; "" if it is not known
    """

    command: str
    exit_code: int
    checks: tuple[Check, ...]
    created: str
    doldrum: str = ""
    line: str = ""
