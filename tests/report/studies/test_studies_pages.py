"""The pages of studies: verdicts and sentences computed from made-up records with known answers."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy import stats

from doldrum.errors import InputError
from doldrum.records.study import CellFailure, CellRecord, StudyManifest, StudyRecords
from doldrum.report.studies.models import model_rows
from doldrum.report.studies.page import render_study, study_page
from doldrum.report.studies.smoothing.rows import attack_rows
from doldrum.report.studies.success.correlations import correlations
from doldrum.report.studies.success.timeline import onset
from doldrum.seeds import rng
from doldrum.stats import correlation


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """300 in place of 2,000: an interval takes a tenth of a second."""
    few = partial(correlation.cluster_bootstrap, resamples=300)
    monkeypatch.setattr("doldrum.report.studies.success.correlations.cluster_bootstrap", few)


def compare_cell(attack, seed, *, fall, asr=1.0, twin=0.0, rate=0.05, n=40, settings=None):
    """A cell whose trigger lowers W by `fall` on the suspect and by `twin` on the clean model, exactly."""
    base = 0.5 + 0.01 * rng(seed, "w", attack).normal(size=n)
    half = {
        "suspect/clean": base, "suspect/triggered": base - fall, "clean/clean": base, "clean/triggered": base - twin,
    }  # fmt: skip
    lists = {k: v.tolist() for k, v in half.items()}
    values = {
        "target": seed % 10, "sigma_half": 0.1, "clean_accuracy": 0.9, "asr": asr, "strengths": [0.1, 0.12, 0.3],
        "half": lists, "soft_half": lists, "hit": [1] * round(asr * n) + [0] * (n - round(asr * n)),
        "curves": {k: [float(v.mean())] * 3 for k, v in half.items()}, "control": {"w": 0.5, "n": 20},
    }  # fmt: skip
    cell = {
        "attack": attack, "seed": seed, "recipe": "r", "rate": rate, "settings": settings or {}, "changes": {"threads": 1},
        "strengths": [0.1, 0.3],
    }  # fmt: skip
    return CellRecord(key=f"{attack}-{seed}-{rate}-{asr}", cell=cell, values=values, seconds=1.0)


def study_of(name, cells, failures=()):
    keys = tuple(c.key for c in (*cells, *failures))
    return StudyRecords(
        StudyManifest(study=name, grid="full", keys=keys, command="doldrum <b>study</b>"), tuple(cells), tuple(failures)
    )


def spread(attack, seeds, mean, sd):
    z = rng(0, "spread", attack).normal(size=seeds)
    z = (z - z.mean()) / z.std(ddof=1)
    return [compare_cell(attack, s, fall=mean + sd * z[s]) for s in range(seeds)]


def test_effects_are_differences_in_differences():
    row = model_rows([compare_cell("badnets", 3, fall=0.2, twin=0.05, asr=0.5)])[0]
    assert row.effect == pytest.approx(0.15)
    assert row.effect_hit == pytest.approx(0.15)
    assert row.within == pytest.approx(0.2)
    assert (row.superiority, row.hits, row.target) == (1.0, 20, 3)
    assert row.calmer_than_class == pytest.approx(0.5 - row.w_triggered)
    none = model_rows([compare_cell("badnets", 3, fall=0.2, asr=0.0)])[0]
    assert math.isnan(none.effect_hit)


def test_verdicts_of_attacks_that_smooth_roughen_and_do_neither():
    cells = [
        *spread("badnets", 10, 0.1, 0.02), *spread("wanet", 10, 0.001, 0.02), *spread("all-to-all", 10, -0.1, 0.02),
        compare_cell("tact", 0, fall=0.1),
    ]  # fmt: skip
    found = {a.attack: a for a in attack_rows(model_rows(cells))}
    assert {k: a.verdict for k, a in found.items()} == {
        "badnets": "smooths", "wanet": "not shown", "all-to-all": "roughens", "tact": "too few models",
    }  # fmt: skip
    theirs = stats.ttest_1samp([c.effect for c in model_rows(cells[:10])], 0)
    assert found["badnets"].effect.p == pytest.approx(theirs.pvalue)
    # Three attacks were tested; the one with a single model is not among them.
    assert found["badnets"].p_holm == pytest.approx(min(1, 3 * theirs.pvalue), rel=0.6)
    assert found["tact"].p_holm is None
    page = study_page(study_of("smoothing", cells))
    assert page.headline == "The trigger makes the model smoother for 1 of 4 attacks"
    assert "The trigger makes the model smoother for BadNets (+0.100, 95% +0.086 to +0.114, 10 models)." in page.lede[0]
    assert "The trigger makes the model less smooth for all-to-all" in page.lede[0]
    assert "No effect is shown for WaNet" in page.lede[0]
    assert "31 models were compared with the clean model of the same seed, on 40 inputs each." in page.lede[0]
    assert "Holm-corrected for 3 tests" in page.lede[0]
    assert "There are fewer than 3 models, too few for a verdict, for TaCT (+0.100, 1 model)." in page.lede[0]
    assert page.lede[1] == "The verdicts are provisional for TaCT, with fewer than 10 models so far."
    assert "BadNets +0.100 at σ = 0.1" in page.lede[2]
    assert "all-to-all at no strength" in page.lede[2]
    # The strength that was measured for sigma-half, .12, is in no table along the curve.
    assert page.sections[1].tables[0].head == ["attack", "σ 0.1", "σ 0.3"]


def test_correction_can_take_a_verdict_away():
    """p = .03 alone is significant, and not among six tests."""
    t = stats.t.isf(0.015, 9) / math.sqrt(10)
    weak = [
        c for a in ("badnets", "blended", "sig", "wanet", "tact", "all-to-all") for c in spread(a, 10, 0.01 * t, 0.01)
    ]
    found = attack_rows(model_rows(weak))
    assert all(a.effect.p == pytest.approx(0.03, abs=1e-3) for a in found)
    assert all(a.p_holm == pytest.approx(0.18, abs=6e-3) for a in found)
    assert all(a.verdict == "not shown" for a in found)
    assert (
        "10 models; the interval does not contain 0, but the p-value is 0.180 after correction for 6 tests)"
        in study_page(study_of("smoothing", weak)).lede[0]
    )
    assert attack_rows(model_rows(weak[:10]))[0].verdict == "smooths"


def test_other_attacks_are_described_until_they_have_models_for_a_test():
    few, many = spread("lsba", 5, 0.1, 0.01), spread("lf", 6, 0.1, 0.01)
    found = {a.attack: a for a in attack_rows(model_rows([*few, *many, *spread("clean", 6, 0.1, 0.01)]))}
    assert {k: (a.verdict, a.tests) for k, a in found.items()} == {
        "lsba": ("descriptive", 1), "lf": ("smooths", 1), "clean": ("control", 1),
    }  # fmt: skip
    page = study_page(study_of("smoothing", [*few, *many]))
    assert "The trigger makes the model smoother for low frequency" in page.lede[0]
    assert [row[:2] for row in page.sections[0].tables[1].rows] == [["LSBA", "descriptive"]]
    page = study_page(study_of("smoothing", few))
    assert page.headline == "No attack has enough models for a test"
    assert (
        "There is no verdict, because there are too few models: attacks with a planned test need 3 models, and all other attacks need 6 models."
        in page.lede[0]
    )


def test_failures_and_unfinished_cells_are_on_the_page():
    failed = CellFailure(key="f", cell={"attack": "sig", "seed": 4}, error="ValueError: <oops>", trace="", seconds=1.0)
    records = study_of("smoothing", spread("badnets", 3, 0.1, 0.01), [failed])
    records = replace(records, manifest=replace(records.manifest, keys=(*records.manifest.keys, "later")))
    html = render_study(records, study_page(records))
    assert "Of the 5 cells (combinations of settings) of this study, 1 were not run yet and 1 failed" in html
    assert "ValueError: &lt;oops&gt;" in html
    assert "doldrum &lt;b&gt;study" in html


def success_cells(noise):
    z = rng(1, "noise").normal(size=(2, 30))
    return [
        compare_cell(a, s, fall=level + slope * asr + noise * z[i, s], asr=asr, rate=asr)
        for i, (a, slope, level) in enumerate((("badnets", 0.2, 0.0), ("blended", 0.2, 0.4)))
        for s, asr in enumerate(np.linspace(0.3, 1, 30).round(3))
    ]


def test_success_goes_with_smoothing_where_it_was_put_in():
    cells = success_cells(0.03)
    rows = model_rows(cells)
    pooled, adjusted, hit = correlations(rows)[:3]
    each = [
        stats.spearmanr([r.asr for r in rows if r.attack == a], [r.effect for r in rows if r.attack == a]).statistic
        for a in ("badnets", "blended")
    ]
    assert pooled.spearman.value == pytest.approx(np.mean(each))
    assert 0.6 < pooled.spearman.lower < pooled.spearman.value < pooled.spearman.upper <= 1
    assert pooled.shown
    assert adjusted.spearman.value == pytest.approx(pooled.spearman.value, abs=0.1)
    assert hit.models == sum(r.hits >= 10 for r in rows)
    page = study_page(study_of("success", cells))
    assert page.headline == "The model is smoother if the attack succeeds more often"
    assert "A positive relation is shown: over 60 models of 2 attacks" in page.lede[0]
    assert page.lede[1].startswith("Within each attack separately, the correlations are: BadNets alone (+0.")
    assert page.lede[1].endswith("These correlations are not corrected for the number of attacks.")
    assert len(page.lede) == 2


def test_the_table_of_models_says_what_all_have_once_and_is_folded():
    cells = [
        compare_cell("badnets", s, fall=0.1, asr=0.5, rate=s / 100, settings={"size": 2 + s % 2}) for s in range(4)
    ]
    table = study_page(study_of("success", cells)).sections[0].tables[1]
    assert table.caption == "Every model. All models share these settings: threads 1"
    assert [row[2] for row in table.rows] == ["size 2", "size 3"] * 2
    html = render_study(study_of("success", cells), study_page(study_of("success", cells)))
    assert '<summary id="t-1-2">Every model. All models share these settings: threads 1</summary>' in html


def test_success_without_a_link_and_with_too_few_models():
    flat = [compare_cell("badnets", s, fall=0.1 + 0.02 * z, asr=a, rate=a) for s, (z, a) in enumerate(
        zip(rng(2, "flat").normal(size=20), np.linspace(0.3, 1, 20).round(3), strict=True))]  # fmt: skip
    page = study_page(study_of("success", flat))
    assert page.headline == "No relation between success and smoothness is shown"
    assert "The results are provisional: only 20 of at least 60 planned models were run." in page.lede
    few = study_page(study_of("success", flat[:3]))
    assert few.headline.startswith("There are too few models")


def timeline(asr, gap):
    points = [
        {"step": 10 * i, "accuracy": 0.5, "asr": a, "w_clean": 0.3, "w_triggered": 0.3 - g, "superiority": 0.5}
        for i, (a, g) in enumerate(zip(asr, gap, strict=True))
    ]
    cell = {"attack": "badnets", "seed": 0, "recipe": "r", "rate": 0.05, "settings": {}, "changes": {}}
    return CellRecord(key=f"t{asr}{gap}", cell=cell, values={"timeline": points, "sigma_half": 0.1}, seconds=1.0)


def test_which_came_first():
    before = timeline([0, 0.1, 0.9, 1.0], [0, 0.2, 0.2, 0.2])
    after = timeline([0, 0.9, 0.9, 1.0], [0, 0.0, 0.05, 0.2])
    never = timeline([0, 0.9, 0.9, 1.0], [0, 0.1, 0.1, -0.1])
    cells = [*success_cells(0.03)[:10], before, after, never]
    page = study_page(study_of("success", cells))
    assert page.numbers["onsets"][0] == {"attack": "badnets", "seed": 0, "asr": 20, "calm": 10, "accuracy": 0}
    assert page.numbers["onsets"][2]["calm"] is None
    assert (
        "3 models were followed through training. In 2 of these models, W at the end of training is lower with the trigger than without it."
        in page.lede[-1]
    )
    assert "W was first in 1 model, both were at the same checkpoint in 0, and ASR was first in 1." in page.lede[-1]
    assert page.lede[-1].endswith("W is not lower with the trigger than without it in these models: BadNets, seed 0.")
    assert onset([{"step": 0, "v": 1.0}], lambda p: p["v"]) == 0
    render_study(study_of("success", cells), page)


def sigma_cell(attack, seed, effects):
    values = {
        "sigma_half": 0.1, "target": 0,
        "rules": {k: {"sigma": 0.1, "effect": v} for k, v in effects.items()}, "draws": {"10": 0.05, "20": 0.06},
        "estimators": {"plug-in": 0.06, "nsb": 0.07}, "clip": {"no": 0.06, "yes": 0.05}, "curve": {"0.1": 0.06, "0.5": -0.1},
    }  # fmt: skip
    return CellRecord(key=f"{attack}{seed}", cell={"attack": attack, "seed": seed}, values=values, seconds=1.0)


def test_sigma_names_what_an_answer_depends_on():
    def cells(peak):
        return [sigma_cell("badnets", s, {"half": 0.1 + s / 100, "peak": peak + s / 100}) for s in range(3)]

    page = study_page(study_of("sigma", cells(0.05)))
    assert page.headline == "The verdicts depend on none of these settings"
    assert "smoother: BadNets +0.110 (+0.085 to +0.135)" in page.lede[0]
    assert "No verdict depends on the estimator (also measured: nsb)." in page.lede
    page = study_page(study_of("sigma", [*cells(-0.05), sigma_cell("clean", 0, {"half": 0.001, "peak": 0.0})]))
    assert page.headline == "The verdicts depend on the rule for the strength"
    assert (
        page.lede[1]
        == "With rules for the noise strength other than σ½, the results are: peak (mean σ 0.100) less smooth: BadNets −0.040 (−0.065 to −0.015)."
    )
    assert page.lede[-1].startswith(
        "As a control, two clean models are compared, which should show no effect. The mean effect between two clean models is +0.001 at σ½, over 1 pair"
    )
    assert page.numbers["rules"]["half"]["badnets"]["value"] == pytest.approx(0.11)
    render_study(study_of("sigma", cells(-0.05)), page)
    unsure = study_page(study_of("sigma", cells(-0.01)))
    assert unsure.headline == "The verdicts depend on the rule for the strength"
    assert "peak (mean σ 0.100) no attack makes the model smoother or less smooth." in unsure.lede[1]
    # An interval that holds 0 and the usual mean is no other answer.
    wide = [sigma_cell("badnets", s, {"half": 0.1 + s / 100, "peak": 0.1 + s / 5 - 0.2}) for s in range(3)]
    assert study_page(study_of("sigma", wide)).headline == "The verdicts depend on none of these settings"


def test_no_finished_cell_and_no_page():
    with pytest.raises(InputError, match="expected at least one finished cell of smoothing, got none"):
        study_page(study_of("smoothing", []))
    failed = CellFailure(key="f", cell={"attack": "sig", "seed": 4}, error="ValueError: oops", trace="", seconds=1.0)
    with pytest.raises(
        InputError, match=r"got none, and 1 failed \(ValueError: oops\); fix the error, and run the same"
    ):
        study_page(study_of("smoothing", [], [failed]))
    odd = CellRecord(key="o", cell={"attack": "sig"}, values={"half": {}}, seconds=1.0)
    with pytest.raises(InputError, match="expected records of the study smoothing in the format of this release"):
        study_page(study_of("smoothing", [odd]))
    with pytest.raises(InputError, match="expected a study that has a report, got 'toy'"):
        study_page(study_of("toy", spread("badnets", 2, 0.1, 0.01)))
