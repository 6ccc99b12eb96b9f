"""The page of study detection: means, marks and sentences from made-up records with known answers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from doldrum.records.study import CellRecord, StudyManifest, StudyRecords
from doldrum.report.studies.detection.rows import EQUAL, PAPER, at_budget, detection_rows, summaries
from doldrum.report.studies.page import render_study, study_page
from doldrum.stats.proportions import proportion
from doldrum.studies.detection.judge import LEVELS

AT = LEVELS.index(0.01)


def detector(name, found, *, budget=PAPER, false=2, forwards=63, auroc=0.9, hits=80):
    steps = range(len(LEVELS))
    return {
        "detector": name, "budget": budget, "forwards": forwards, "milliseconds": 2.0, "clean": 200,
        "false": [None if i == 0 else false + i - AT for i in steps],
        "found": [None if i == 0 else round(found * 100) for i in steps],
        "found_hits": [None if i == 0 else round(found * hits) for i in steps], "auroc": auroc, "auroc_hits": auroc if hits else None,
    }  # fmt: skip


def cell(
    attack,
    detectors,
    *,
    seed=0,
    rate=0.05,
    asr=0.8,
    hits=80,
    stress=False,
    data="fashion-mnist",
    recipe="r",
    changes=(),
    settings=(),
):
    values = {
        "target": 0, "clean_accuracy": 0.92 if attack == "clean" else 0.91, "asr": None if attack == "clean" else asr,
        "asr_noise": 0.5, "asr_jpeg": 0.25, "sizes": {"calibration": 400, "test": 200, "triggered": 100, "fit": 400}, "hits": hits,
        "levels": list(LEVELS), "engines": {}, "refused": {"ibd-psc": "no <b>weights</b>"}, "detectors": detectors,
    }  # fmt: skip
    asked = {
        "attack": attack,
        "seed": seed,
        "rate": rate,
        "recipe": recipe,
        "stress": stress,
        "data": data,
        "settings": dict(settings),
        "changes": {"threads": 1, **dict(changes)},
    }
    return CellRecord(
        key=f"{attack}{seed}{rate}{stress}{data}{recipe}{changes}{settings}", cell=asked, values=values, seconds=1.0
    )


def records_of(*cells):
    return StudyRecords(
        StudyManifest(study="detection", grid="g", keys=tuple(c.key for c in cells), command="<i>x</i>"),
        tuple(cells),
        (),
    )


def both(profile, strip, strip_long, **more):
    return [
        detector("profile", profile, **more), detector("strip", strip_long, forwards=101, **more),
        detector("strip", strip, budget=EQUAL, forwards=64, false=9, **more),
    ]  # fmt: skip


@pytest.fixture
def cells():
    return [
        cell("badnets", both(0.9, 0.5, 0.6)), cell("badnets", both(0.7, 0.5, 0.6), seed=1), cell("sig", both(0.2, 0.1, 0.1)),
        cell("bpp", both(0.3, 0.0, 0.0)), cell("anti-smoothing", both(0.1, 0.4, 0.4)), cell("clean", both(0, 0, 0)),
        cell("badnets", both(1.0, 1.0, 1.0), rate=0.01),
    ]  # fmt: skip


def test_means_are_over_attacks_and_a_budget_takes_what_stays_under_it(cells):
    rows = detection_rows(cells)
    assert [(r.detector, r.forwards) for r in at_budget(rows, EQUAL)][:2] == [("profile", 63), ("strip", 64)]
    ours, strip = summaries(rows, EQUAL)
    assert (ours.detector, ours.models, ours.worst, ours.worst_tpr) == ("profile", 7, "sig", 0.2)
    assert ours.development == pytest.approx((0.8 + 0.2) / 2)  # 1% poison and clean models are not in it
    assert (ours.held_out, ours.adaptive) == pytest.approx((0.3, 0.1), abs=0.01)
    assert strip.development == pytest.approx((0.5 + 0.1) / 2)
    assert summaries(rows, PAPER)[1].development == pytest.approx((0.6 + 0.1) / 2)
    # 2 of 200 are what 1% promises; 9 are above the beta-binomial limit of 400 calibration inputs.
    assert (ours.kept1, strip.kept1) == (7, 0)
    assert ours.fpr1 == proportion(14, 1400)


def test_victims_without_a_hit_and_stress_cells_are_left_out_of_means(cells):
    none = cell("wanet", both(0.9, 0.9, 0.9, hits=0), hits=0)
    more = [*cells, none, cell("lf", both(1, 1, 1), stress=True)]
    rows = detection_rows(more)
    assert math.isnan(next(r for r in rows if r.attack == "wanet").tpr1)
    assert "lf" not in {r.attack for r in rows}
    assert summaries(rows, EQUAL)[0].development == pytest.approx(0.5)


def test_a_detector_that_the_page_knows_no_name_of_has_its_id():
    found = [detector("profile", 0.4), detector("of-mine", 0.9, budget=EQUAL), detector("of-mine", 0.9)]
    page = study_page(records_of(cell("badnets", found), cell("clean", found)))
    assert "of-mine 0.90" in " ".join(page.lede)
    assert "of-mine" in render_study(records_of(cell("badnets", found)), page)


def test_sentences_say_what_was_found(cells):
    page = study_page(records_of(*cells))
    assert (
        page.headline
        == "With at most 64 forward passes per input, SmoothnessProfile finds 0.50 of triggered inputs at 1% false alarms on fashion-mnist"
    )
    text = " ".join(page.lede)
    assert (
        "The data set and recipe are: fashion-mnist, recipe r. 6 backdoored models of 4 attacks and 1 clean model were measured, with seeds 0, 1."
        in text
    )
    assert "SmoothnessProfile 0.50, STRIP 0.30" in text
    assert "The attack with the lowest TPR of SmoothnessProfile is SIG, with a TPR of 0.20" in text
    assert "never used to design the detector. The TPRs of SmoothnessProfile for held-out attacks are: BPP 0.30" in text
    assert "The TPRs of SmoothnessProfile for adaptive attacks are: anti-smoothing 0.10" in text
    assert "from 1.0% (SmoothnessProfile) to 4.5% (STRIP)" in text
    assert "in 7 of 14 pairs" in text
    evasion = next(s for s in page.sections if s.title == "What evasion costs the attacker")
    assert evasion.tables[0].rows[1] == [
        "anti-smoothing", "91.0%", "−1.0 points", "80.0%", "50.0%", "25.0%", "0.10", "STRIP 0.40",
    ]  # fmt: skip
    attacks = next(s for s in page.sections if s.title == "Attack by attack").tables[0]
    assert [row[0] for row in attacks.rows] == ["BadNets", "BadNets, 1% poison", "SIG", "BPP*", "anti-smoothing†"]


def test_the_page_is_drawn_and_escapes_what_records_say(cells):
    found = records_of(*cells)
    html = render_study(found, study_page(found))
    assert "<i>x</i>" not in html
    assert html.count("<svg") >= 3


def test_one_clean_model_alone_makes_a_page():
    found = records_of(cell("clean", both(0, 0, 0)))
    page = study_page(found)
    assert page.headline == "No development attack was measured"
    assert "0 backdoored models of 0 attacks and 1 clean model were measured" in page.lede[0]
    assert render_study(found, page)


def stress_of(fpr, tpr):
    rate = {"fpr": fpr, "fpr_sd": 0.002, "tpr": tpr, "tpr_sd": 0.03, "kept": 47}
    both_rates = {"fpr": [fpr, 5 * fpr], "tpr": [tpr, tpr]}
    tail = {"calibration": [50] * 3, "fpr": [0.01, 0.2, 0.03], "per_class": [0.04, 0.041, 0.03], "refused": 0.0}
    return {
        "sizes": {"50": [None, rate], "100": [rate, rate], "2000": [{**rate, "tpr": tpr + 0.1}, rate]},
        "imbalance": {"1": tail, "100": {**tail, "refused": 2.0}},
        "shifts": {"none": both_rates, "brighter": {**both_rates, "fpr": [0.0, 0.1]}, "moved": {**both_rates, "fpr": [0.08, 0.1]}},
        "planted": {"fpr": [0.001, 0.04], "tpr": [0.6, 0.7]},
    }  # fmt: skip


def test_what_calibration_goes_wrong_by_is_told(cells):
    found = [{**d, "stress": stress_of(0.012, 0.7)} for d in both(0.9, 0.5, 0.6)]
    page = study_page(records_of(*cells, cell("badnets", found, stress=True)))
    text = page.lede[-1]
    assert "100 inputs 1.2% ± 0.2% with TPR 0.70 ± 0.03, 2,000 inputs 1.2% ± 0.2% with TPR 0.80" in text
    assert (
        "otherwise unlike the scanned images, the actual rates are 0% to 8.0%. If 1% of the calibration inputs are triggered, the mean TPR is 0.60."
        in text
    )
    assert (
        "up to 20.0% of the inputs of one predicted class are flagged. With class-conditional calibration, at most 4.1% of the inputs of a class are flagged."
        in text
    )
    sizes, shifts = (s for s in page.sections if s.title.startswith(("How many", "If calibration")))
    assert sizes.tables[0].rows[0][:2] == ["SmoothnessProfile", "refused"]
    assert "kept 47 of 50" in sizes.tables[0].rows[0][2]
    assert shifts.tables[0].rows[0][1:] == ["1.2%; 0.70", "0%; 0.70", "8.0%; 0.70", "0.1%; 0.60"]
    assert "(refused: 2.0 classes)" in shifts.tables[1].rows[0][4]
    unmoved = [{**d, "stress": stress_of(0.032, 0.0)} for d in both(0, 0, 0)]
    page = study_page(records_of(*cells, cell("badnets", found, stress=True), cell("clean", unmoved, stress=True)))
    assert (
        "for 2 models (fashion-mnist, recipe r; each TPR is a mean over the backdoored models). At a promised rate of 1%, the actual rates of false alarms by the number of calibration inputs are: 100 inputs 2.2% ± 0.2% with TPR 0.70 ± 0.03"
        in page.lede[-1]
    )
    sizes, shifts = (s for s in page.sections if s.title.startswith(("How many", "If calibration")))
    assert "2.2% ± 0.2%\nTPR 0.70 ± 0.03\nkept 94 of 100" in sizes.tables[0].rows[0][2]
    assert shifts.tables[0].rows[0][1] == "2.2%; 0.70"
    page = study_page(records_of(*cells, cell("clean", unmoved, stress=True)))
    sizes, shifts = (s for s in page.sections if s.title.startswith(("How many", "If calibration")))
    assert "TPR" not in sizes.tables[0].rows[0][2]
    assert "TPR" not in page.lede[-1]
    assert "nan" not in page.lede[-1]
    assert shifts.tables[0].rows[0][1] == "3.2%"
    page = study_page(records_of(*cells, cell("badnets", found, stress=True)))
    refused = next(s for s in page.sections if s.title == "Detectors that refused a model")
    assert refused.tables[0].rows[0][:3] == ["IBD-PSC", "fashion-mnist, recipe r", "BadNets, seed 0"]


def test_models_trained_out_of_proportion_have_a_section_of_their_own(cells):
    found = [{**d, "stress": stress_of(0.012, 0.7)} for d in both(0.9, 0.5, 0.6)]
    tails = [cell("clean", found, stress=True, data=f"fashion-mnist 1:{r}") for r in (100, 10)]
    page = study_page(records_of(*cells, *tails))
    assert "at a promised 1%, on" not in page.lede[-1]  # none was calibrated on what a balanced model gave
    section = next(s for s in page.sections if s.title == "If the classes of the training set have unequal sizes")
    assert [t.caption.partition(". ")[0] for t in section.tables] == [
        f"fashion-mnist 1:{n}, recipe r" for n in (10, 100)
    ]
    assert section.tables[0].rows[0][1] == "8.0% / 8.0%\n1.0% to 20.0%"
    both_kinds = study_page(records_of(*cells, *tails, cell("badnets", found, stress=True)))
    assert "for 1 model (fashion-mnist, recipe r" in both_kinds.lede[-1]
    assert "At a promised rate of 1%, the actual rates" in both_kinds.lede[-1]


OTHERS: tuple[dict[str, Any], ...] = (
    {"data": "digits"},
    {"data": "fashion-mnist 1:10"},
    {"recipe": "s"},
    {"changes": {"network": "mlp"}},
)
NAMES = (
    "digits, recipe r",
    "fashion-mnist 1:10, recipe r",
    "fashion-mnist, recipe s",
    "fashion-mnist, recipe r, network mlp",
)


def test_data_sets_and_recipes_are_never_put_together(cells):
    other = [
        cell(attack, both(found, 1.0, 1.0), **where)
        for where in OTHERS
        for attack, found in (("badnets", 0.0), ("bpp", 1.0), ("lsba", 1.0), ("clean", 0.0))
    ]
    page, before = study_page(records_of(*cells, *other)), study_page(records_of(*cells))
    assert page.headline == before.headline
    assert page.lede[: len(before.lede)] == before.lede
    for name, line in zip(NAMES, page.lede[len(before.lede) :], strict=True):
        assert line == f"On {name}, the mean TPRs over development attacks are: STRIP 1.00, SmoothnessProfile 0.00."
    assert {(row["data"], row["recipe"], row["changes"]) for row in page.csv["rows"]} == {
        ("fashion-mnist", "r", ""), ("digits", "r", ""), ("fashion-mnist 1:10", "r", ""), ("fashion-mnist", "s", ""),
        ("fashion-mnist", "r", "network mlp"),
    }  # fmt: skip
    assert {(row["data"], row["recipe"], row["changes"]) for row in page.numbers["equal"]} == {
        (row["data"], row["recipe"], row["changes"]) for row in page.csv["rows"]
    }
    first = [s for s in page.sections if s.title.endswith(": fashion-mnist, recipe r")]
    was = [s for s in before.sections if s.title != "Detectors that refused a model"]
    assert [t.rows for s in first for t in s.tables] == [t.rows for s in was for t in s.tables]
    shown = next(s for s in page.sections if s.title == f"Detectors: {NAMES[0]}")
    assert shown.text[0].startswith(
        f"The data set and recipe are: {NAMES[0]}. 3 backdoored models of 3 attacks and 1 clean model were measured, with seed 0."
    )
    assert shown.tables[0].rows[1][3:7] == ["0.00", "0.00", "1.00", "1.00"]


def test_every_table_and_figure_says_what_it_is_about(cells):
    found = [{**d, "stress": stress_of(0.012, 0.7)} for d in both(0.9, 0.5, 0.6)]
    more = [cell("badnets", found, stress=stress, **where) for where in OTHERS for stress in (False, True)]
    page = study_page(records_of(*cells, cell("badnets", found, stress=True), *more))
    names = ("fashion-mnist, recipe r", *NAMES)
    told = [s for s in page.sections if s.title != "Detectors that refused a model"]  # its rows say it
    assert all(t.caption.partition(". ")[0] in names for s in told for t in (*s.tables, *s.figures))
    assert all(s.title.endswith(tuple(f": {n}" for n in names)) for s in told)
    figures = [f.name for s in page.sections for f in s.figures]
    assert figures[:3] == ["roc", "cost", "heat"]
    assert len(set(figures)) == len(figures) == 15
    # One data set and recipe needs no name in each heading.
    alone = study_page(records_of(*cells))
    assert [s.title for s in alone.sections] == [
        "Detectors", "Attack by attack", "What evasion costs the attacker", "False alarms", "Comparison with the figures in their papers", "Detectors that refused a model",
    ]  # fmt: skip
    assert all(t.caption.startswith("fashion-mnist, recipe r. ") for s in alone.sections[:-1] for t in s.tables)


def test_calibration_sizes_that_not_every_model_has_are_left_out(cells):
    few = stress_of(0.012, 0.7)
    few["sizes"].pop("2000")
    found = [[{**d, "stress": stress} for d in both(0.9, 0.5, 0.6)] for stress in (stress_of(0.012, 0.7), few)]
    page = study_page(records_of(*cells, cell("badnets", found[0], stress=True), cell("sig", found[1], stress=True)))
    sizes = next(s for s in page.sections if s.title.startswith("How many"))
    assert sizes.tables[0].head == ["detector", "50", "100"]


def test_stress_cells_alone_make_a_page():
    found = [{**d, "stress": stress_of(0.012, 0.7)} for d in both(0.9, 0.5, 0.6)]
    page = study_page(records_of(cell("badnets", found, stress=True)))
    assert page.headline == "No development attack was measured"
    assert page.lede[-1].startswith(
        "SmoothnessProfile was also calibrated with other calibration sets, for 1 model (fashion-mnist, recipe r; each TPR"
    )


def test_an_attack_with_other_settings_is_an_attack_apart(cells):
    page = study_page(records_of(*cells, cell("badnets", both(0.0, 0.0, 0.0), settings={"size": 2})))
    rows = next(s for s in page.sections if s.title == "Attack by attack").tables[0].rows
    assert [row[0] for row in rows][:3] == ["BadNets", "BadNets, 1% poison", "BadNets (size 2)"]
    assert [row[3] for row in rows][:3] == ["0.80", "1.00", "0.00"]


def test_means_are_over_the_rate_that_most_victims_have_where_none_has_5_percent():
    others = [
        cell("badnets", both(found, 0, 0), rate=rate, seed=seed)
        for found, rate, seed in ((0.6, 0.1, 0), (0.8, 0.1, 1), (0.1, 0.02, 0))
    ]
    page = study_page(records_of(*others))
    assert "finds 0.70 of triggered inputs" in page.headline
    assert "means over the attacks with 10% poison" in page.lede[0]
    rows = next(s for s in page.sections if s.title == "Attack by attack").tables[0].rows
    assert [row[0] for row in rows] == ["BadNets", "BadNets, 2% poison"]


def test_published_figures_stand_beside_what_is_found_here(cells):
    scale_up = [
        cell(a, [detector("scale-up", found, auroc=auroc)])
        for a, found, auroc in (("blended", 0.2, 0.6), ("wanet", 0.4, 0.8))
    ]
    at_1 = cell("blended", [detector("scale-up", 1, auroc=1.0)], rate=0.01)
    page = study_page(records_of(*cells, *scale_up, at_1))
    table = next(s for s in page.sections if s.title == "Comparison with the figures in their papers").tables[0]
    assert [(row[0], *row[3:]) for row in table.rows] == [
        ("STRIP", "AUROC 0.900", "2 of 3"),
        ("SCALE-UP", "AUROC 0.700\nAUROC 0.600 on Blended\nAUROC 0.800 on WaNet", "3 of 3"),
    ]
    assert "Comparison with the figures in their papers" not in [
        s.title for s in study_page(records_of(cells[-2])).sections
    ]
