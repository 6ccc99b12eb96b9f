"""study detection: shared measurements give each detector's own scores, splits don't overlap, and rates are those of plain loops."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from small_nets import small_net

import doldrum as dd
from doldrum.classifiers import as_classifier
from doldrum.data import ImageSet
from doldrum.detectors import PSBD, RPP, STRIP, MaxSoftmax, ScaleUp, SmoothnessProfile, TeCo, W
from doldrum.detectors.shared.one_strength import GRID
from doldrum.errors import EngineError, InputError, MissingExtraError
from doldrum.poisoning import PoisonPlan
from doldrum.probes import Superimpose
from doldrum.report.studies.page import study_page, write_report
from doldrum.seeds import rng
from doldrum.studies import run_study
from doldrum.studies.base import STRENGTHS, datasets
from doldrum.studies.detection.bench import EQUAL, PAPER, make_bench
from doldrum.studies.detection.judge import LEVELS, judge
from doldrum.studies.detection.stress import SHIFTS, SIZES, stress
from doldrum.studies.detection.study import DetectionCell, run, split

TINY = {
    "data": "digits", "recipe": "digits-mlp", "changes": {"threads": 1, "epochs": 4}, "rate": 0.1, "fit": 100,
    "calibration": 99, "test": 40, "inputs": 30,
}  # fmt: skip


SIGMA = 0.3


@pytest.fixture(scope="module")
def bench():
    images = rng(3).random((140, 1, 8, 8)).astype(np.float32)
    model = as_classifier(small_net(), input_shape=(1, 8, 8), num_classes=4)
    with pytest.MonkeyPatch.context() as patch:
        # Its mean W never comes down again: there is no sigma-half to be found.
        patch.setattr("doldrum.detectors.shared.one_strength.sigma_half", lambda curve: SIGMA)
        patch.setattr("doldrum.engines.choose.candidates", lambda classifier: [("eager", "fp32")])
        made = make_bench(model, ImageSet(images[:110]), seed=5)
        scored = made.score({"calibration": images[110:125], "test": images[125:]})
    return model, images, made, scored


def of(scored, name, budget=PAPER):
    (found,) = [v for v in scored.variants if (v.costs["detector"], v.costs["budget"]) == (name, budget)]
    return found


def test_scores_are_those_that_each_detector_gives_alone(bench, one_engine):
    model, images, _, scored = bench
    fit, strength = ImageSet(images[:110]), SIGMA
    alone = {
        "profile": SmoothnessProfile(seed=5), "max-softmax": MaxSoftmax(seed=5), "w": W(seed=5, strength=strength),
        "rpp": RPP(seed=5, strength=strength), "strip": STRIP(seed=5), "scale-up": ScaleUp(seed=5), "teco": TeCo(seed=5),
        "psbd": PSBD(seed=5),
    }  # fmt: skip
    assert "frequency" in {v.costs["detector"] for v in scored.variants}
    for name, detector in alone.items():
        found = of(scored, name)
        assert found.costs["forwards"] == detector.fit(model, fit).forwards
        for part, chosen in (("calibration", images[110:125]), ("test", images[125:])):
            assert found.scores[part] == pytest.approx(detector.score_samples(chosen), abs=1e-5), name


def test_equal_budgets_read_the_first_draws_and_kinds(bench, one_engine):
    model, images, _, scored = bench
    fit, strength = ImageSet(images[:110]), SIGMA
    shorter = {
        "w": W(seed=5, strength=strength, draws=63), "rpp": RPP(seed=5, strength=strength, draws=63),
        "teco": TeCo(kinds=TeCo().kinds[:12], seed=5),
    }  # fmt: skip
    for name, detector in shorter.items():
        found = of(scored, name, EQUAL)
        alone = detector.fit(model, fit)
        assert found.scores["test"] == pytest.approx(alone.score_samples(images[125:]), abs=1e-5)
        assert found.costs["forwards"] == detector.forwards <= 64
    strip = STRIP(seed=5).fit(model, fit)
    assert strip.overlays_ is not None
    first = Superimpose(strip.overlays_, draws=63, seed=strip.probe_seed("overlay"), mode=strip.mode)
    pinned = scored.engines["superimpose"]
    found = dd.measure(model, images[125:], first, readouts=("entropy",), progress=False, engine=pinned)
    entropy = found.readouts["entropy"]
    assert of(scored, "strip", EQUAL).scores["test"] == pytest.approx(-entropy.mean(axis=(1, 2)), abs=1e-5)
    assert {v.costs["detector"] for v in scored.variants if v.costs["budget"] == EQUAL} == {"w", "rpp", "teco", "strip"}


def test_named_detectors_alone_run_and_take_at_most_64_forward_passes(bench, one_engine):
    model, images, _, scored = bench
    named = make_bench(model, ImageSet(images[:110]), 5, "strip max-softmax profile")
    found = named.score({"test": images[125:]})
    costs = {v.costs["detector"]: (v.costs["budget"], v.costs["forwards"]) for v in found.variants}
    assert costs == {"profile": (PAPER, 64), "max-softmax": (PAPER, 1), "strip": (EQUAL, 64)}
    for name in ("profile", "max-softmax"):
        assert of(found, name).scores["test"] == pytest.approx(of(scored, name).scores["test"], abs=1e-5)
    with pytest.raises(InputError, match=r"expected all, or names separated by spaces, among profile.*got 'beatrix'"):
        DetectionCell(**TINY, detectors="strip beatrix")
    with pytest.raises(InputError, match="separated by spaces"):
        DetectionCell(**TINY, detectors=["strip"])


def test_a_model_that_no_named_detector_works_with_says_why(bench):
    model, images, *_ = bench
    with pytest.raises(InputError, match=r"expected at least one detector that works.*batch normalisation"):
        make_bench(model, ImageSet(images[:110]), 5, "ibd-psc")


def test_the_key_of_a_cell_with_all_detectors_is_as_before_they_could_be_named():
    assert "detectors" not in DetectionCell(**TINY).to_dict()
    assert DetectionCell(**TINY, detectors="strip").to_dict()["detectors"] == "strip"


def test_a_detector_that_the_model_cannot_serve_is_named_with_the_reason(bench):
    assert list(bench[2].refused) == ["ibd-psc"]
    assert "batch normalisation" in bench[2].refused["ibd-psc"]


def test_splits_never_overlap_and_are_drawn_anew_for_each_victim():
    cell = DetectionCell(**TINY, stress=True, attack="badnets")
    plan = PoisonPlan(rate=0.1, target=0)
    parts = split(cell, plan)
    assert parts.planted is not None
    sets = [parts.fit, parts.calibration, parts.test, parts.triggered, parts.planted]
    assert [len(s) for s in sets] == [100, 99, 40, 30, 50]
    assert len(set().union(*(s.ids for s in sets))) == 319
    assert (parts.triggered.labels != 0).all()
    assert (parts.planted.labels != 0).all()
    assert (parts.test.labels == 0).any()
    assert split(cell, plan).test.ids == parts.test.ids
    for other in (
        DetectionCell(**TINY, stress=True, attack="blended"),
        DetectionCell(**{**TINY, "rate": 0.2}, stress=True),
    ):
        assert split(other, plan).test.ids != parts.test.ids
    with pytest.raises(InputError, match="lower fit"):
        split(DetectionCell(**{**TINY, "test": 130}), plan)
    with pytest.raises(InputError, match="calibration to be a whole number of at least 99"):
        DetectionCell(**{**TINY, "calibration": 98})


def test_a_ratio_behind_the_name_thins_the_training_set_alone():
    (whole, test), (tail, same) = datasets("digits"), datasets("digits 1:10")
    kept, all_of = np.bincount(tail.labels), np.bincount(whole.labels)
    assert kept[0] == all_of[0]
    assert kept[-1] == round(all_of[-1] / 10)
    assert (np.diff(kept / all_of) < 0).all()
    assert same.content_hash() == test.content_hash()
    cells = [DetectionCell(data=d, fit=100, calibration=99, test=20, inputs=20) for d in ("digits", "digits 1:10")]
    assert cells[0].victim.key != cells[1].victim.key
    with pytest.raises(InputError, match="did you mean 'digits'"):
        DetectionCell(data="digit 1:10")
    for ratio in ("1:0", "1:99999", "10:1", "1:10 1:10", " 1:10"):
        with pytest.raises(InputError, match="expected a ratio from 1:1 to 1:9999 after a data set's name"):
            DetectionCell(data=f"digits {ratio}")
    assert "digits 1:10" in cells[1].label()


def test_the_order_of_training_is_the_order_of_a_long_tail():
    draw = np.random.default_rng(3)
    labels = {
        p: draw.integers(0, 4, n).astype(np.int16) for p, n in (("calibration", 800), ("test", 400), ("triggered", 50))
    }
    scores = {p: draw.normal(size=len(k)) + 4 * (k == 2) for p, k in labels.items()}
    found = stress(scores, {p: draw.random(len(k)) for p, k in labels.items()}, labels, seed=0, order=[2, 0, 1, 3])
    assert np.argmax(found["imbalance"]["1"]["fpr"]) == 0


def test_rates_are_those_of_a_loop_over_thresholds():
    draw = np.random.default_rng(1)
    scores = {p: draw.integers(0, 40, n).astype(float) for p, n in (("calibration", 250), ("test", 80))}
    scores["triggered"] = draw.integers(20, 60, 60).astype(float)
    ties = {p: draw.random(len(s)) for p, s in scores.items()}
    hit = draw.random(60) < 0.7
    found = judge(scores, ties, hit)
    order = {p: list(zip(scores[p], ties[p], strict=True)) for p in scores}
    for at, level in enumerate(LEVELS):
        k = int(level * 251 + 1e-9)
        if k == 0:
            assert found["false"][at] is None
            continue
        limit = sorted(order["calibration"], reverse=True)[k - 1]  # fewer than k calibration inputs lie above a flag
        flagged = {p: np.array([x > limit for x in order[p]]) for p in ("test", "triggered")}
        assert found["false"][at] == flagged["test"].sum()
        assert found["found"][at] == flagged["triggered"].sum()
        assert found["found_hits"][at] == flagged["triggered"][hit].sum()
    wins = [(b > a) + (b == a) / 2 for a in scores["test"] for b in scores["triggered"][hit]]
    assert found["auroc_hits"] == pytest.approx(np.mean(wins), abs=1e-5)
    assert judge(scores, ties, np.zeros(60, bool))["auroc_hits"] is None


@pytest.fixture(scope="module")
def stressed():
    """Scores whose spread grows with the class, so that one threshold is unfair to classes 8 and 9."""
    draw = np.random.default_rng(2)
    parts = {"calibration": 2000, "test": 600, "triggered": 200, "planted": 50, **dict.fromkeys(SHIFTS, 200)}
    labels = {p: draw.integers(0, 10, n).astype(np.int16) for p, n in parts.items()}
    scores = {p: draw.normal(size=n) * (1 + labels[p] / 5) for p, n in parts.items()}
    scores["triggered"] += 12
    scores["planted"] += 12
    scores["brighter"] -= 2  # a lower threshold: more false alarms
    scores["blurred"] += 2
    ties = {p: draw.random(n) for p, n in parts.items()}
    return stress(scores, ties, labels, seed=0)


def test_promises_hold_at_every_size_and_too_small_ones_are_refused(stressed):
    assert list(stressed["sizes"]) == [str(s) for s in SIZES]
    assert stressed["sizes"]["50"][0] is None
    for size in SIZES[1:]:
        for rate, found in zip((0.01, 0.05), stressed["sizes"][str(size)], strict=True):
            assert found["fpr"] == pytest.approx(rate, abs=4 * max(found["fpr_sd"], 0.002) / 50**0.5)
            assert found["kept"] >= 44
            assert found["tpr"] > 0.8
            luck = (
                rate * (1 - rate) * (1 / (size + 2) + 1 / (2600 - size))
            ) ** 0.5  # of calibration and of test inputs
            assert found["fpr_sd"] == pytest.approx(luck, rel=0.5)


def test_shift_contamination_and_imbalance_do_what_they_must(stressed):
    shifts = stressed["shifts"]
    assert list(shifts) == ["none", *SHIFTS]
    assert shifts["blurred"]["fpr"][1] < shifts["none"]["fpr"][1] < shifts["brighter"]["fpr"][1]
    # At 1% of 501 a flag must lie above all but 4 calibration inputs: above the least of 5 planted ones, as 5 of 6 do.
    assert stressed["planted"]["fpr"][0] < 0.001
    assert stressed["planted"]["tpr"][0] == pytest.approx(5 / 6, abs=0.08)
    assert stressed["planted"]["tpr"][1] > 0.9
    for ratio in ("1", "10", "100"):
        found = stressed["imbalance"][ratio]
        assert max(found["fpr"]) > 0.08
    assert np.mean(stressed["imbalance"]["1"]["per_class"]) == pytest.approx(0.04, abs=0.015)  # floor(.05 * 51) / 51
    assert max(stressed["imbalance"]["1"]["per_class"]) < 0.08
    assert stressed["imbalance"]["1"]["refused"] == 0
    assert stressed["imbalance"]["100"]["refused"] >= 3
    assert stressed["imbalance"]["100"]["per_class"][-1] == 0


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detection")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOLDRUM_VICTIMS", str(folder / "victims"))
        grid = {**TINY, "cells": [{"attack": "badnets"}, {"attack": "clean", "detectors": "strip max-softmax"}]}
        yield folder / "out", run_study("detection", grid, out=folder / "out")


def test_digits_end_to_end(done):
    folder, records = done
    assert not records.failures
    bad, clean = (c.values for c in records.cells)
    assert bad["asr"] > 0.9
    assert bad["hits"] >= 27
    assert clean["asr"] is None
    assert bad["sizes"]["calibration"] == 99
    strip = next(d for d in bad["detectors"] if d["detector"] == "strip" and d["budget"] == PAPER)
    assert strip["auroc_hits"] > 0.9
    assert strip["forwards"] == 101
    harmless = next(d for d in clean["detectors"] if d["detector"] == "strip")
    assert harmless["auroc"] < 0.8
    json.dumps(bad, allow_nan=False)
    assert write_report(folder).is_file()
    page = study_page(records)
    assert "1 backdoored model of 1 attack and 1 clean model were measured, with seed 0" in page.lede[0]


def test_a_pinned_engine_that_is_absent_says_what_to_do(monkeypatch):
    images = rng(4).random((60, 1, 8, 8)).astype(np.float32)
    model = as_classifier(small_net(), input_shape=(1, 8, 8), num_classes=4)
    detector = W(seed=0, strength=0.3, draws=5).fit(model, images[:2]).calibrate(images[2:40], fpr=0.05)
    before = detector.scan(images[40:]).scores
    monkeypatch.setitem(sys.modules, "openvino", None)
    detector.bind(as_classifier(small_net(), input_shape=(1, 8, 8), num_classes=4)).engine = "openvino-fp32"
    with pytest.raises(
        (MissingExtraError, EngineError), match=r"'openvino-fp32'.*detector.engine = 'auto', then call detector.cal"
    ):
        detector.scan(images[40:])
    detector.engine = "auto"
    detector.calibrate(images[2:40], fpr=0.05)
    assert detector.scan(images[40:]).scores == pytest.approx(before)


def test_w_and_rpp_find_their_strength_by_draws_of_their_own():
    """As saved detectors did before the two shared their code."""
    rpp = RPP(seed=1)
    assert (
        rpp.grid_seed()
        == W(seed=rpp.probe_seed("strength")).probe_seed("grid")
        == W(seed=rpp.probe_seed("strength")).grid_seed()
    )
    assert rpp.grid_seed() != W(seed=1).grid_seed()


def test_w_looks_for_its_strength_at_least_as_far_as_the_studies_do():
    """Mean W of Fashion-MNIST models is flat from .4 to 1.5, and may peak beyond."""
    assert GRID[-1] >= STRENGTHS[-1]


def test_run_needs_no_more_than_the_cell(done, tmp_path):
    grid = {**TINY, "attack": "badnets", "detectors": "strip max-softmax profile"}
    records = run_study("detection", grid, out=tmp_path)
    again = run(DetectionCell(**grid))
    assert len(again["detectors"]) == 3
    for before, after in zip(records.cells[0].values["detectors"], again["detectors"], strict=True):
        assert {k: v for k, v in before.items() if k != "milliseconds"} == {
            k: v for k, v in after.items() if k != "milliseconds"
        }
