"""Findings: what a command checked, and what stood out, in no format yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from doldrum.findings.places import Place

__all__ = ["MOST", "Check", "Finding", "Findings", "Level", "Outcome"]

MOST = 5000
"""Findings that are listed, most suspicious first; `Check.unlisted` counts the others. GitHub shows no more of one file."""

Level = Literal["note", "warning", "error"]
Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that stood out: an image, or the model.

    rule : a name in `doldrum.findings.rules.RULES`
    level : "note" where chance explains it, "warning", or "error"
    message : one sentence; may hold an attacker's text, which each format escapes
    name : the image's, as shown; "" for the model
    properties : JSON-able; p-values are here
    """

    rule: str
    level: Level
    message: str
    place: Place
    name: str = ""
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question that a command answered: are these images clean, is this model clean.

    outcome : "failed" where it is a ground for exit code 3; "skipped" where nothing could be said
    heading, sentences : the answer in words
    unreadable : (file, why) of what could not be read; `unread` counts those that are not listed
    unlisted : findings beyond `MOST`
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
    """All checks of one run of `command` ("audit", "scan" or "inspect"), and its exit code, 0 or 3.

    created : UTC time (ISO 8601)
    doldrum : the version that found it; "" where it is not known
    line : the command line that repeats it; "" where it is not known
    """

    command: str
    exit_code: int
    checks: tuple[Check, ...]
    created: str
    doldrum: str = ""
    line: str = ""
