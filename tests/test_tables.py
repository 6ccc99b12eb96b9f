"""What a notebook shows of results: small tables, in which a stranger's text is text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from audit_sample import sample_audit
from inspection_sample import HOSTILE, sample

import doldrum as dd
from doldrum.cleansing.methods.base import Verdict
from doldrum.cleansing.methods.cleanse import Cleansing
from doldrum.detectors.contract.result import ScanResult
from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.examine import Examination
from doldrum.inspectors.inspection import Inspection
from doldrum.inspectors.judging.standard import Standing
from doldrum.poisoning.evaluate import Share
from doldrum.records.explanations import Explanation, Explanations, Success
from doldrum.tables import html_table


class Cells(HTMLParser):
    """The tags, the rows of cells, and all text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        assert attrs == []
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        self.text += data
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def shown(result) -> Cells:
    found = Cells(result._repr_html_())
    assert found.tags <= {"div", "b", "br", "table", "tr", "th", "td"}
    assert "\u202e" not in found.text
    return found


def scan(count: int = 30) -> ScanResult:
    p = np.linspace(1, 0.001, count)
    return ScanResult(
        [f"{HOSTILE}{i}" for i in range(count)], np.arange(count, dtype=np.int16), -np.log(p), p, p <= 0.05, fpr=0.05,
        num_calibration=999, limit=4,
    )  # fmt: skip


def test_a_scan_shows_the_most_suspicious_ten():
    found = shown(scan())
    assert found.rows[0] == ["id", "predicted class", "score", "p-value", "flagged"]
    assert [row[1] for row in found.rows[1:]] == [str(i) for i in range(29, 19, -1)]
    assert [row[4] for row in found.rows[1:4]] == ["yes", "yes", "no"]
    assert found.text.startswith("2 of 30 inputs were flagged")
    assert found.text.endswith("and 20 more")


def test_no_row_is_no_table():
    empty = scan()
    none = ScanResult(
        [],
        empty.labels[:0],
        empty.scores[:0],
        empty.p_values[:0],
        empty.flags[:0],
        fpr=0.05,
        num_calibration=9,
        limit=0,
    )
    assert "table" not in shown(none).tags
    assert html_table("x", {"a": None}) == "<div><b>x</b></div>"


def test_records_show_their_verdict(tmp_path):
    record = sample(hostile=True)
    found = shown(record)
    assert [row[0] for row in found.rows[1:]] == [
        f"First {HOSTILE}".replace("\u202e", "\\u202e"),
        f"Second {HOSTILE}".replace("\u202e", "\\u202e"),
    ]
    audit = sample_audit(tmp_path / "report")
    assert audit.verdict["heading"] in shown(audit).text
    assert f"flagged: {audit.flags['count']}" in shown(audit).text
    assert not re.search(r"flagged: \d", shown(sample_audit(tmp_path / "ranked", ranking=True)).text)


def test_explanations_show_what_was_proven():
    some = Success(hits=96, n=100, value=0.96, lower=0.9, upper=0.99)
    one = Explanation(
        image=HOSTILE,
        label=3,
        proven=True,
        why=HOSTILE,
        success=some,
        p_adjusted=0.001,
        kind="region",
        size="2 x 2 pixels",
    )
    two = Explanation(image="b", label=3, proven=False, why="nothing was found")
    found = shown(Explanations(explained=(one, two), alpha=0.05, seed=0, clean=99, queries=12345))
    assert found.text.startswith("A trigger is proven in 1 of 2 images")
    assert found.rows[1][1:5] == ["3", "yes", "2 x 2 pixels", "96%"]
    assert found.rows[2] == ["b", "3", "no", "", "", "nothing was found"]


def test_an_inspection_shows_where_the_model_stands_out():
    route = Route(None, 3)
    reading = Reading(inspector="mask", values={route: 2.5, Route(None, 4): float("nan")})
    standing = Standing(7.25, {("mask", route): 7.25})
    share = Share(hits=97, n=100, value=0.97, lower=0.91, upper=0.99)
    made = Inspection(
        verdict="backdoor shown", p_value=0.04, fpr=0.05, references=24, standing=standing, where=("mask", route),
        trigger=None, success=share, leads_to=None, smaller=3.0, examination=Examination("f", 10, "k", (reading,)),
    )  # fmt: skip
    found = shown(made)
    assert found.rows[1:] == [["mask", "", "3", "2.5", "7.25"]]
    assert "97.0% of the held-back images (95% interval: 91.0% to 99.0%)" in found.text


def test_a_cleansing_and_w_show_their_figures():
    drop = np.arange(40) < 3
    made = Cleansing(
        [str(i) for i in range(40)], np.zeros(40, np.int64), None,
        {"spectral": Verdict("spectral", np.zeros(40), drop, "the first three")}, {"profile": HOSTILE},
    )  # fmt: skip
    assert shown(made).rows[1][:2] == ["spectral", "3"]
    r = dd.Responses(np.zeros((12, 2, 5), np.int16), np.zeros(12, np.int16), [0.1, 0.2], 10)
    found = shown(dd.smoothness(r))
    assert found.rows[0] == ["id", "class", "W at 0.1", "W at 0.2"]
    assert found.rows[1][2].startswith("0.000 (0.000 to 0.")
    assert found.text.endswith("and 2 more")


@pytest.mark.parametrize("value", ["<img src=x onerror=alert(1)>", "</td><script>", "&lt;b&gt;"])
def test_text_is_text(value):
    found = Cells(html_table(value, {value: value}, columns=[value], rows=[[value]]))
    assert found.rows == [[value], [value]]
