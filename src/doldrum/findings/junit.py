"""Findings as JUnit XML, a format that every CI system shows as a list of tests."""

from __future__ import annotations

import datetime
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from doldrum.findings.finding import Check, Finding, Findings
from doldrum.intake import visible

__all__ = ["junit"]

_MOST_TEXT = 4000


def junit(findings: Findings) -> str:
    """The JUnit document as text, with one test suite per check.

    The first test case of a suite is the check itself. The other test cases are suspicious images, and images that could not
    be read. The test case of a suspicious image fails only if the whole check fails, that is, if the exit code is 3. If
    chance explains the number of flagged images, the test cases of these images pass. The test case of a suspicious image has its
    p-value and score as properties. The test case of an unreadable image is skipped. Images without a finding are
    counted, but have no test case.
    """
    root = ET.Element("testsuites", name=f"doldrum {findings.command}")
    for check in findings.checks:
        root.append(_suite(check, findings))
    for kind in ("tests", "failures", "errors", "skipped"):
        root.set(kind, str(sum(int(suite.get(kind, "0")) for suite in root)))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(check: Check, findings: Findings) -> ET.Element:
    when = datetime.datetime.fromisoformat(findings.created).replace(tzinfo=None)
    suite = ET.Element("testsuite", name=check.name, timestamp=when.isoformat(timespec="seconds"))
    _properties(suite, {"doldrum": findings.doldrum or None, **check.properties})
    whole = _case(suite, f"doldrum.{findings.command}", f"the {check.name}", check.place.uri)
    text = "\n".join(visible(sentence, most=_MOST_TEXT) for sentence in check.sentences)
    if check.outcome == "failed":
        _outcome(whole, "failure", check.heading, text)
    elif check.outcome == "skipped":
        _outcome(whole, "skipped", check.heading, text)
    else:
        ET.SubElement(whole, "system-out").text = visible(check.heading, most=_MOST_TEXT) + "\n" + text
    for one in check.findings:
        if one.name:
            _finding(suite, one, f"doldrum.{findings.command}.images", failed=check.outcome == "failed")
    for place, why in check.unreadable:
        case = _case(suite, f"doldrum.{findings.command}.unreadable", place.member or place.uri, place.uri)
        _outcome(case, "skipped", why, "")
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("errors", "0")
    suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))
    return suite


def _finding(suite: ET.Element, one: Finding, group: str, *, failed: bool) -> None:
    case = _case(suite, group, one.name, one.place.uri)
    _properties(case, {"rule": one.rule, "level": one.level, **one.properties})
    if failed:
        _outcome(case, "failure", one.message, "", kind=one.rule)
    else:
        ET.SubElement(case, "system-out").text = visible(one.message, most=_MOST_TEXT)


def _case(suite: ET.Element, group: str, name: str, file: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=group, name=visible(name), file=file, time="0")


def _outcome(case: ET.Element, tag: str, message: str, text: str, *, kind: str = "") -> None:
    made = ET.SubElement(case, tag, message=visible(message, most=_MOST_TEXT))
    if tag == "failure":
        made.set("type", kind or "doldrum")
    made.text = text or None


def _properties(above: ET.Element, found: Mapping[str, Any]) -> None:
    held = ET.SubElement(above, "properties")
    for name, value in found.items():
        if value is not None:
            text = f"{value:.6g}" if isinstance(value, float) else str(value)
            ET.SubElement(held, "property", name=name, value=visible(text, most=_MOST_TEXT))
