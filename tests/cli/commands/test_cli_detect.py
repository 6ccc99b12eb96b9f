"""`doldrum calibrate` and `scan`: what they say of themselves. What they do is tested with the detectors."""

from __future__ import annotations

import re

from doldrum.detectors import DETECTORS


def test_help_lists_every_detector(call) -> None:
    """The list is written out there: reading it from `doldrum.detectors` would make each start of `doldrum` slower."""
    code, text, _ = call("calibrate", "--help")
    assert code == 0
    # A long line is broken between words, and after the hyphen of a name.
    listed = re.search(r"--detector <str> +One of (.*?);", re.sub(r"-\s+", "-", text), re.DOTALL)
    assert listed is not None
    assert [name.strip() for name in re.split(r",\s+", listed[1])] == list(DETECTORS)
