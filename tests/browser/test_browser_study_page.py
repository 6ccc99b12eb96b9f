"""A study's page in a real browser, from records of docs/results: nothing is cut off, nothing is asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from doldrum.records.study import MANIFEST, RECORDS
from doldrum.report.studies.page import write_report

RESULTS = Path(__file__).parents[2] / "docs" / "results"


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    for name in (MANIFEST, RECORDS):
        shutil.copy(RESULTS / "smoothing-colour" / name, folder)
    return write_report(folder)


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_the_window_and_asks_for_nothing(visit, report, width):
    shown = visit(report, width=width)
    wide = shown.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide[0] <= wide[1]
    # Captions are read whole, and a figure's text stays inside it.
    cut = """() => [...document.querySelectorAll('.caption, figcaption, h1, p')].filter(e => e.scrollWidth > e.clientWidth + 1).length
        + [...document.querySelectorAll('.chart svg')].filter(s => s.getClientRects().length).map(s => {
            const box = s.getBoundingClientRect()
            return [...s.querySelectorAll('text')].filter(t => {
                const r = t.getBoundingClientRect(); return r.left < box.left - 3 || r.right > box.right + 3}).length
        }).reduce((a, b) => a + b, 0)"""
    assert shown.page.evaluate(cut) == 0
    assert shown.quiet()


def test_tables_have_room_on_a_desk_and_the_verdict_is_seen_on_a_phone(visit, report):
    desk = visit(report, width=1280).page
    assert (
        desk.evaluate("[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).length")
        == 0
    )
    phone = visit(report, width=390).page
    verdict = phone.locator("table").first.locator("tbody tr").first.locator("td").first
    assert verdict.inner_text() == "not shown"
    box = verdict.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
