"""The report of study patterns on made-up records with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from doldrum.records.study import CellRecord, StudyManifest, StudyRecords
from doldrum.report.studies.page import render_study, study_page
from doldrum.report.studies.patterns.curves import curves_of
from doldrum.report.studies.patterns.page import kind_rows
from doldrum.report.studies.patterns.rows import KINDS, kind_of, pattern_rows, tell_apart, told_pairs

STRENGTHS = [0.1, 0.3, 1.0]


def condition(w, keep, hit, *, amount=1.0, auroc=0.5):
    hit = np.asarray(hit, dtype=int)
    found = {"share": float(hit.mean()), "w": w.mean(0).tolist(), "keep": keep.mean(0).tolist()}
    if hit.any():
        found |= {"hit_w": w[hit == 1].mean(0).tolist(), "hit_keep": keep[hit == 1].mean(0).tolist()}
    judged = {name: {"auroc": auroc, "flagged": 0.05} for name in ("w", "strip")}
    each = {"each_w": w.tolist(), "each_keep": keep.tolist(), "hit": hit.tolist()}
    return {"amount": amount, **found, **each, "judged": judged}


def cell(attack, pattern, seed, level_of_keep, *, n=60, w=0.1):
    """A model whose inputs keep their labels at about a level; W without the pattern is .3."""
    draw = np.random.default_rng([seed, len(attack), len(pattern)])
    keep = np.clip(draw.normal(level_of_keep, 0.05, (n, 3)), 0, 1)
    values = {
        "strengths": STRENGTHS, "sigma_half": 0.3, "inputs": n, "class": 0, "target": 0, "engine": {},
        "conditions": {
            "clean": condition(np.full((n, 3), 0.3), keep, np.zeros(n), amount=0.0),
            "full": condition(np.full((n, 3), w), keep, np.arange(n) < 0.95 * n, auroc=0.9),
            "0.9": condition(np.full((n, 3), 2 * w), keep, np.arange(n) < 0.9 * n, amount=0.7),
        },
    }  # fmt: skip
    asked = {"attack": attack, "pattern": pattern, "seed": seed, "strengths": STRENGTHS}
    return CellRecord(key=f"{attack}{pattern}{seed}", cell=asked, values=values, seconds=1.0)


def grid(true_keep, other_keep):
    cells = [cell(a, "trigger", s, true_keep, w=0.02) for a in ("badnets", "blended", "sig") for s in (0, 1)]
    return cells + [cell("clean", p, s, other_keep) for p in ("patch", "calm", "logo") for s in (0, 1)]


def test_rows_hold_what_the_records_say():
    rows = pattern_rows([cell("clean", "patch", 3, 0.5, w=0.1)])
    assert [r.level for r in rows] == ["full", "0.9"]
    full, faded = rows
    assert (full.kind, full.true, full.seed) == (KINDS["patch"], False, 3)
    assert full.fall == pytest.approx(0.3 - 0.1)
    assert faded.fall == pytest.approx(0.3 - 0.2)
    assert (full.share, faded.share, faded.amount) == (0.95, 0.9, 0.7)
    assert full.auroc_w == 0.9


def test_what_is_a_true_trigger():
    assert kind_of(cell("badnets", "trigger", 0, 0.5)) == ("BadNets", True)
    assert kind_of(cell("clean", "trigger", 0, 0.5)) == (KINDS["trigger"], False)
    assert kind_of(cell("badnets", "calm", 0, 0.5)) == (f"{KINDS['calm']}, on BadNets", False)


def test_kinds_are_means_over_models_true_triggers_first():
    kinds = kind_rows(pattern_rows(grid(0.9, 0.4)), "0.9")
    assert [k.true for k in kinds] == [True] * 3 + [False] * 3
    assert {k.models for k in kinds} == {2}
    assert kinds[0].fall.value == pytest.approx(0.3 - 0.04)
    assert kinds[-1].fall.value == pytest.approx(0.3 - 0.2)


def test_a_verdict_takes_a_fall_that_differs_over_models_after_holm():
    shown = {"patch": (0.10, 0.11, 0.09, 0.10), "logo": (0.1, 0.5, 0.2, 0.3), "calm": (0.5, 0.52, 0.48, 0.5)}
    rows = pattern_rows([cell("clean", p, s, 0.4, w=w) for p, ws in shown.items() for s, w in enumerate(ws)])
    kinds = {k.kind: k for k in kind_rows(rows, "full")}
    p = {name: ttest_1samp([0.3 - w for w in shown[name]], 0).pvalue for name in shown}
    assert kinds[KINDS["patch"]].p_holm == pytest.approx(3 * p["patch"])
    assert kinds[KINDS["calm"]].p_holm == pytest.approx(2 * p["calm"])
    verdicts = {name: kinds[KINDS[name]].verdict for name in shown}
    assert verdicts == {"patch": "smooths", "logo": "not shown", "calm": "roughens"}
    assert kinds[KINDS["logo"]].fall.value > 0


def test_profiles_that_differ_are_told_apart_and_equal_ones_are_not():
    apart = tell_apart(grid(0.9, 0.4), level="full", features=("keep",))
    same = tell_apart(grid(0.6, 0.6), level="full", features=("keep",))
    assert apart.pairs == same.pairs == 9
    assert apart.least > 0.99
    # The kinds differ in chance alone: no direction learned from some holds for others. 114 inputs per side, standard error .04.
    assert 0.4 < same.mean < 0.6


def test_only_what_was_left_out_is_asked_about():
    """One trigger looks like the patterns: it is not told from them, although the others are."""
    cells = [c for c in grid(0.9, 0.4) if c.cell["attack"] != "sig"]
    cells += [cell("sig", "trigger", s, 0.4) for s in (0, 1)]
    pairs = told_pairs(cells, level="full", features=("keep",))
    sig = [v for (a, _), v in pairs.items() if a == "SIG"]
    assert max(sig) < 0.75
    assert min(v for (a, _), v in pairs.items() if a != "SIG") > 0.9


def test_curves_are_means_over_models_at_the_strengths_asked_for():
    cells = [cell("badnets", "trigger", 0, 0.9, w=0.02), cell("badnets", "trigger", 1, 0.9, w=0.04)]
    strengths, curves = curves_of(cells, level="0.9")
    assert strengths == STRENGTHS
    assert np.allclose(curves["BadNets"], [(0.3, 0.06)] * 3)


def test_too_few_kinds_say_so():
    cells = [cell("badnets", "trigger", 0, 0.9), cell("clean", "patch", 0, 0.4)]
    assert tell_apart(cells, level="full") is None


@pytest.mark.parametrize("cells", [grid(0.9, 0.4), grid(0.9, 0.4)[:1], [cell("clean", "random-sign", 0, 0.5)]])
def test_the_page_renders_and_its_numbers_are_the_records(cells):
    manifest = StudyManifest(study="patterns", grid="x", keys=tuple(c.key for c in cells), command="c")
    records = StudyRecords(manifest, tuple(cells), ())
    page = study_page(records)
    html = render_study(records, page)
    assert page.headline in html
    if len(cells) > 1:
        assert page.headline == "3 of 3 artificial patterns make clean models smoother"
        assert "W falls with adversarial patch (+0.200, 95% +0.200 to +0.200, 2 models)" in page.lede[0]
        assert "W falls significantly for 3 of 3 kinds of artificial patterns. On clean models" in page.lede[0]
        assert "The study has 2 clean models and 6 backdoored models, with 60 inputs each." in page.lede[0]
        assert "W falls with BadNets (+0.280, 95% +0.280 to +0.280, 2 models)" in page.lede[1]
        assert (
            "mean W with true triggers is 0.040 to 0.040, and with patterns on clean models it is 0.200 to 0.200"
            in page.lede[2]
        )
        assert page.lede[3].startswith("The verdicts are provisional for ")
        assert page.lede[3].endswith(", with fewer than 3 models so far.")
        assert page.numbers["models"] == 8
    assert len(page.csv["patterns"]) == 2 * len(cells)
