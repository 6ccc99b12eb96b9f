"""Names that lie to the eye, the terminal, the page and the spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doldrum.intake import csv_safe, visible

HOSTILE = {
    "line\nbreak\r": "line\\nbreak\\r",
    "\x1b]0;title\x07\x1b[2J": "\\x1b]0;title\\x07\\x1b[2J",
    "\x9b31m": "\\x9b31m",
    "cat\u202egnp.exe": "cat\\u202egnp.exe",
    "a\u200b\u2066\ufeff\u00adb": "a\\u200b\\u2066\\ufeff\\xadb",
    "nul\0byte": "nul\\x00byte",
    "\udcff\ud800": "\\xff\\ud800",
    "no\u00a0break\u2028": "no\\xa0break\\u2028",
    "\u3164\u2800\ufe0f": "\\u3164\\u2800\\ufe0f",
    "\U000e0041": "\\U000e0041",
    "<script>alert(1)</script>[red]": "<script>alert(1)</script>[red]",
    "\u00e9\u4e2d\u05d0 \U0001f600": "\u00e9\u4e2d\u05d0 \U0001f600",
    "": "",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_cannot_be_seen_is_escaped(name: str) -> None:
    assert visible(name) == HOSTILE[name]


def test_bytes_and_paths() -> None:
    assert visible(b"\xff\n\xc3\xa9") == "\\xff\\n\u00e9"
    assert visible(Path("a") / "b\tc") == "a/b\\tc"


def test_towers_of_accents_are_cut() -> None:
    assert visible("e" + "\u0301" * 3) == "e" + "\u0301" * 3
    assert visible("e" + "\u0301" * 5) == "e" + "\u0301" * 3 + "\\u0301" * 2
    assert visible("\u0301") == "\\u0301"  # none to sit on


def test_long_names_keep_both_ends() -> None:
    assert visible("x" * 10**7 + ".png").endswith("xx.png")
    assert len(visible("\x1b" * 10**7)) == 255


@given(st.text(st.characters(), max_size=60))
def test_any_text_is_one_line_that_encodes_and_stays(name: str) -> None:
    text = visible(name)
    assert len(text.splitlines()) <= 1
    assert text.isprintable()
    assert json.loads(json.dumps(text).encode()) == text
    assert text.encode("utf-8").decode() == text
    assert visible(text) == text


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "'=1", "\"=cmd|' /C calc'!A0", "\uff1d1", "|x", "%0A"]
)
def test_formulas_are_text_to_a_spreadsheet(cell: str) -> None:
    assert csv_safe(cell).startswith("'")
    file = io.StringIO()
    csv.writer(file).writerow([csv_safe(cell)])
    assert next(csv.reader(io.StringIO(file.getvalue()))) == [csv_safe(cell)]


def test_other_cells_stay() -> None:
    assert csv_safe("cat=dog, 'a'.png") == "cat=dog, 'a'.png"
    assert csv_safe("\t=1") == "\\t=1"
