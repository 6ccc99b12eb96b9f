"""The runs that README and the demo's report quote: whole, of today's settings, and what the words around the figures say."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
from results import demo

from doldrum.demo import DemoSettings
from doldrum.records import Curve, ModelSummary
from doldrum.report.demo.expected import EXPECTED
from doldrum.training import get_recipe

ROOT = Path(__file__).parents[2]
RUNS = demo.runs()


def test_the_runs_are_five_seeds_in_both_arithmetics_and_the_one_shown() -> None:
    found = sorted((r["scale"], r["seed"], r["precision"]) for r in RUNS if r["precision"])
    assert found == [(s, n, p) for s in ("fast", "full") for n in range(5) for p in ("bf16", "fp32")]
    assert (demo.shown()["scale"], demo.shown()["seed"]) == ("full", 0)


@pytest.mark.parametrize("run", RUNS, ids=lambda r: f"{r['scale']}-{r['seed']}-{r['precision']}")
def test_a_run_has_todays_settings_and_arithmetic(run) -> None:
    today = DemoSettings.fast() if run["scale"] == "fast" else DemoSettings()
    given = run["settings"]
    assert given["recipe"] == json.loads(json.dumps(vars(get_recipe(today.recipe))))
    for name in ("patch", "inputs", "pick", "draws", "rate", "target"):
        assert given[name] == getattr(today, name)
    assert tuple(given["strengths"]) == today.strengths
    assert run["engine"]["precision"] == (run["precision"] or run["engine"]["precision"])
    assert run["engine"]["agreement"] >= 0.98
    assert run["machine"]["processor"]


@pytest.mark.parametrize("run", RUNS, ids=lambda r: f"{r['scale']}-{r['seed']}-{r['precision']}")
def test_a_run_shows_the_finding(run) -> None:
    clean, bad = (ModelSummary.from_dict(m) for m in run["models"])
    assert bad.w_change_ci[1] < 0
    assert bad.w_change == pytest.approx(bad.w_triggered - bad.w_clean, abs=1e-9)
    assert bad.asr > 0.95
    assert abs(clean.w_change) < 0.25 * abs(bad.w_change)


@pytest.mark.parametrize("scale", demo.SCALES)
def test_the_range_in_the_report_is_that_of_the_runs(scale) -> None:
    falls = [
        m["w_clean"] - m["w_triggered"] for r in RUNS if r["scale"] == scale and r["precision"] for m in r["models"][1:]
    ]
    low, high = EXPECTED[scale].fell
    assert low == pytest.approx(min(falls), abs=0.005)
    assert high == pytest.approx(max(falls), abs=0.005)
    assert EXPECTED[scale].runs == len(falls)


def test_the_picture_is_drawn_from_the_run_that_is_shown() -> None:
    curves = {c.key: c for c in map(Curve.from_dict, demo.shown()["curves"])}
    bad = ModelSummary.from_dict(demo.shown()["models"][1])
    for inputs, value in (("clean", bad.w_clean), ("triggered", bad.w_triggered)):
        curve = curves[f"backdoored/{inputs}"]
        at = min(range(len(curve.strengths)), key=lambda i, c=curve: abs(c.strengths[i] - bad.sigma_half))
        assert math.isclose(curve.mean[at], value, abs_tol=1e-9)


def test_the_range_says_how_many_seeds_ran_in_which_arithmetic(monkeypatch) -> None:
    fewer = [r for r in RUNS if r["precision"] != "bf16" or r["seed"] == 0]
    monkeypatch.setattr(demo, "runs", lambda: fewer)
    fp32 = len([r for r in RUNS if r["scale"] == "full" and r["precision"] == "fp32"])
    assert demo.sentence().startswith(f"over {fp32} seeds in fp32 and 1 in bf16, W fell by .")


def test_nothing_is_said_where_one_run_shows_no_fall(monkeypatch) -> None:
    harmed = json.loads(json.dumps(RUNS))
    found = [r for r in harmed if r["scale"] == "full" and r["precision"]]
    found[-1]["models"][1]["w_change_ci"][1] = 0.01
    monkeypatch.setattr(demo, "runs", lambda: harmed)
    with pytest.raises(AssertionError, match=f"W falls in {len(found) - 1} of {len(found)} runs of the full demo"):
        demo.sentence()


@pytest.mark.parametrize("page", ["docs/tutorials/first-ten-minutes.md", "docs/tutorials/reproduce-the-paper.md"])
def test_a_page_gives_the_range(page) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    assert demo.sentence() in text


@pytest.mark.parametrize("page", ["README.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))])
def test_no_page_gives_a_ratio(page) -> None:
    assert not re.search(r"\d times (calmer|smoother)", " ".join((ROOT / page).read_text(encoding="utf-8").split()))
