"""The table fits a terminal and says what the record says."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from doldrum.report.demo.table import demo_markdown, demo_table


def printed(record, width=80):
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(demo_table(record))
    return out.getvalue()


def test_the_table_fits_80_columns(demo_record):
    text = printed(demo_record)
    assert max(map(len, text.splitlines())) <= 80
    natural = printed(demo_record, width=300)
    assert max(len(line.rstrip()) for line in natural.splitlines()) <= 80
    assert "…" not in text


@pytest.mark.parametrize("show", [printed, demo_markdown])
def test_the_table_has_every_number(demo_record, show):
    text = show(demo_record)
    for said in (
        "92.4%",
        "91.9% to 92.9%",
        "99.9%",
        "0.110",
        "0.102 to 0.118",
        "0.003",
        "0.002 to 0.004",
        "0.0934",
        "500",
    ):
        assert said in text
    assert "-0.107, smoother" in text
    assert "-0.116 to -0.098" in text
    assert "-0.009, no difference shown" in text


def test_odd_rows(make):
    clean = make.summary("clean", w_clean=0.0, w_clean_ci=(0.0, 0.0), w_triggered=0.2, w_triggered_ci=(0.1, 0.3))
    bad = make.summary("backdoored", w_triggered=0.0, w_triggered_ci=(0.0, 0.0))
    text = demo_markdown(make.record(models=(clean, bad)))
    assert "+0.200, less smooth (+0.100 to +0.300)" in text
    assert "-0.110, smoother (-0.118 to -0.102)" in text


def test_markdown_is_a_table(demo_record):
    lines = demo_markdown(demo_record).split("\n\n")[0].splitlines()
    assert {line.count("|") for line in lines} == {4}
    assert lines[1] == "| --- | ---: | ---: |"
