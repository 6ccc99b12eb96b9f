"""Findings as SARIF 2.1.0, which GitHub, GitLab, Azure DevOps and editors show next to the files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from doldrum.findings.finding import Check, Finding, Findings
from doldrum.findings.places import Place
from doldrum.findings.rules import ABOUT, RULES, UNREADABLE, Rule
from doldrum.intake import visible

__all__ = ["sarif"]

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"  # by convention the top folder of the checkout
_MOST_TEXT = 4000


def sarif(findings: Findings) -> dict[str, Any]:
    """The SARIF log as a JSON-able dictionary: one run, with one result per finding.

    Files that could not be read are listed as notifications of the invocation. In text that an attacker may have written,
    invisible characters are replaced by visible codes. Brackets and braces are escaped, because in SARIF they make links and placeholders.

    Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0 Plus Errata 01".
    """
    index = {rule.id: i for i, rule in enumerate(RULES)}
    invocation: dict[str, Any] = {
        "executionSuccessful": True,
        "exitCode": findings.exit_code,
        "endTimeUtc": findings.created.replace("+00:00", "Z"),
        "toolExecutionNotifications": list(_notifications(findings)),
    }
    if findings.line:
        invocation["commandLine"] = visible(findings.line, most=_MOST_TEXT)
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "doldrum",
                        **({"version": visible(findings.doldrum)} if findings.doldrum else {}),
                        "informationUri": ABOUT,
                        "rules": [_rule(rule) for rule in RULES],
                        "notifications": [_unreadable()],
                    }
                },
                "invocations": [invocation],
                "results": [_result(one, index) for check in findings.checks for one in check.findings],
                "properties": {check.name: _summary(check) for check in findings.checks},
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.short},
        "fullDescription": {"text": rule.full},
        "help": {"text": rule.help.replace("`", ""), "markdown": rule.help},
        "helpUri": rule.uri,
        "defaultConfiguration": {"level": rule.level},
        "properties": {"tags": ["security", "machine-learning", "backdoor"]},
    }


def _unreadable() -> dict[str, Any]:
    text = "An image file could not be read, so this image was not checked"
    return {"id": UNREADABLE, "name": "UnreadableImage", "shortDescription": {"text": text}}


def _result(one: Finding, index: dict[str, int]) -> dict[str, Any]:
    key = "\0".join((one.rule, one.place.uri, one.place.member))
    return {
        "ruleId": one.rule,
        "ruleIndex": index[one.rule],
        "level": one.level,
        "message": {"text": _literal(one.message)},
        "locations": [_location(one.place)],
        # The same image or model in the next run is the same alert, whatever its p-value is then.
        "partialFingerprints": {"doldrumPlace/v1": hashlib.sha256(key.encode()).hexdigest()[:32]},
        "properties": dict(one.properties),
    }


def _location(place: Place) -> dict[str, Any]:
    artifact = {"uri": place.uri}
    if "://" not in place.uri:
        artifact["uriBaseId"] = _ROOT
    # The first line stands for the whole file: GitHub shows no result without a line.
    found: dict[str, Any] = {"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": 1}}}
    if place.member:
        found["logicalLocations"] = [{"fullyQualifiedName": visible(place.member), "kind": "member"}]
    return found


def _notifications(findings: Findings) -> Iterator[dict[str, Any]]:
    for check in findings.checks:
        for place, why in check.unreadable:
            yield {
                "descriptor": {"id": UNREADABLE, "index": 0},
                "level": "warning",
                "message": {"text": _literal(why)},
                "locations": [_location(place)],
            }
        if check.unread:
            text = f"Besides the files listed here, {check.unread:,} files could not be read."
            yield {"descriptor": {"id": UNREADABLE, "index": 0}, "level": "warning", "message": {"text": text}}


def _summary(check: Check) -> dict[str, Any]:
    made = {"outcome": check.outcome, "heading": visible(check.heading, most=_MOST_TEXT), **check.properties}
    return made | {"unlisted": check.unlisted} if check.unlisted else made


def _literal(text: str) -> str:
    r"""Escape text so that a message shows it literally, without links or placeholders.

    >>> _literal("[a](http://x) {0}")
    '\\[a\\](http://x) {{0}}'
    """
    made = visible(text, most=_MOST_TEXT).replace("\\", "\\\\")
    return made.replace("[", "\\[").replace("]", "\\]").replace("{", "{{").replace("}", "}}")
