"""study smoothing end to end on digits, its parts against plain computations, and its test where nothing is to be found."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import softmax

import doldrum as dd
from doldrum.attacks import get_victim
from doldrum.pixels import to_float
from doldrum.poisoning import PoisonPlan
from doldrum.probes import Gaussian
from doldrum.report.studies.models import model_rows
from doldrum.report.studies.page import study_page, write_report
from doldrum.seeds import rng
from doldrum.stats.effects import mean_effect
from doldrum.studies import run_study
from doldrum.studies.base import Cell, datasets
from doldrum.studies.calm import measure_calm
from doldrum.studies.material import choose_inputs, seed_of

TINY = {
    "data": "digits", "recipe": "digits-mlp", "changes": {"threads": 1, "epochs": 4}, "sigma": 0.25, "inputs": 40, "pick": 30,
    "draws": 20, "strengths": [0.1], "rate": 0.1,
}  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    patch = pytest.MonkeyPatch()
    patch.setenv("DOLDRUM_VICTIMS", str(folder / "victims"))
    grid = {**TINY, "cells": [{"attack": "badnets", "seed": [0, 1]}, {"attack": "clean", "seed": 0}]}
    records = run_study("smoothing", grid, out=folder / "out", command="doldrum study smoothing <grid>")
    yield folder / "out", records
    patch.undo()


def test_badnets_smooths_digits_and_two_clean_models_do_not(done):
    _, records = done
    assert not records.failures
    rows = sorted(model_rows(records.cells), key=lambda r: (r.attack, r.seed))
    assert [(r.attack, r.seed, r.target) for r in rows] == [("badnets", 0, 0), ("badnets", 1, 1), ("clean", 0, 0)]
    for row in rows[:2]:
        assert row.asr > 0.9
        assert row.effect > 0.05
        assert row.superiority > row.superiority_twin + 0.1
        assert row.hits > 30
    assert abs(rows[2].effect) < min(r.effect for r in rows[:2]) / 2


def test_values_are_those_of_a_plain_loop(done):
    """Cell 0 again, by measure() and NumPy alone."""
    _, records = done
    cell = Cell(**{**TINY, "strengths": (0.1,)}, attack="badnets", seed=0)
    bad, clean = get_victim(cell.victim), get_victim(cell.clean())
    inputs = choose_inputs(cell, bad.plan)
    probe = Gaussian([0.1, 0.25], draws=20, seed=seed_of(cell, "draws"))
    means = {}
    for name, model in (("suspect", bad.model), ("clean", clean.model)):
        for kind, images in (("clean", inputs.chosen.images), ("triggered", bad.trigger(inputs.chosen.images))):
            means[f"{name}/{kind}"] = dd.smoothness(dd.measure(model, images, probe)).value.mean(axis=0)
    values = records.cells[0].values
    for key, mean in means.items():
        assert values["curves"][key] == pytest.approx(mean, abs=1e-6)
        assert np.mean(values["half"][key]) == pytest.approx(mean[1], abs=1e-6)
    effect = means["suspect/clean"] - means["suspect/triggered"] - means["clean/clean"] + means["clean/triggered"]
    assert model_rows(records.cells)[0].effect == pytest.approx(effect[1], abs=1e-6)


def test_the_soft_twin_is_the_entropy_of_mean_probabilities(done):
    cell = Cell(**{**TINY, "strengths": (0.1,)})
    model = get_victim(cell.clean()).model
    images = datasets("digits")[1].images[:3]
    probe = Gaussian([0.3, 0.6], draws=15, seed=4)
    calm = measure_calm(model, images, probe)
    bound = probe.bind((1, 8, 8))
    for i in range(3):
        for c in range(2):
            noisy = np.empty((15, 1, 8, 8), dtype=np.float32)
            bound.fill(to_float(images)[i], c, 0, 15, noisy)
            mean = softmax(model(noisy).astype(float), axis=1).mean(axis=0)
            assert calm.soft[i, c] == pytest.approx(-(mean * np.log(mean)).sum() / math.log(10), abs=1e-4)
    assert calm.hard == pytest.approx(dd.smoothness(dd.measure(model, images, probe)).value)


def test_inputs_serve_one_purpose_each():
    cell = Cell(**{**TINY, "strengths": (0.1,)}, seed=3)
    for plan in (
        PoisonPlan(rate=0.1, target=3),
        PoisonPlan(rate=0.1, mode="all-to-all"),
        PoisonPlan(rate=0.1, target=3, source=4, mode="source-specific"),
    ):
        inputs = choose_inputs(cell, plan)
        ids = [set(s.ids) for s in (inputs.pick, inputs.chosen, inputs.control)]
        assert len(set.union(*ids)) == sum(map(len, ids))
        assert plan.eligible(inputs.chosen.labels).all()
        assert set(inputs.control.labels) <= set(inputs.attacker)
        assert inputs.attacker.tolist() == plan.attacker_labels(inputs.chosen.labels, num_classes=10).tolist()


def test_the_page_is_one_file_and_says_what_the_records_say(done):
    folder, records = done
    page = study_page(records)
    effects = mean_effect([r.effect for r in model_rows(records.cells) if r.attack == "badnets"])
    assert f"{effects.value:+.3f}".replace("-", "−") in page.lede[0]
    assert "2 models" in page.lede[0]
    assert "The verdicts are provisional for BadNets, with fewer than 10 models so far." in page.lede
    assert "two clean models" in page.lede[2]
    html = write_report(folder).read_text()
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert "<script" not in html
    assert "doldrum study smoothing &lt;grid&gt;" in html
    for name in ("figures/effects.svg", "figures/effects.png", "figures/curve-badnets.svg", "tables/models.csv"):
        assert (folder / name).stat().st_size > 0
    assert (folder / "tables/models.csv").read_text().count("\n") == 4


def test_type_one_error_between_clean_models():
    """24 clean models (fits on bootstrap samples), paired at random as if one of each pair were a victim: 5% reject."""
    from sklearn.linear_model import LogisticRegression

    train, test = datasets("digits")
    x, y = to_float(train.images).reshape(len(train), -1), train.labels
    images = to_float(test.images[:30])
    triggered = dd.triggers.Patch(size=2)(images)
    probe, gain = Gaussian([0.3], draws=12, seed=0), []
    for seed in range(24):
        rows = rng(seed, "bootstrap").integers(0, len(x), 300)
        fit = LogisticRegression(max_iter=50, tol=0.05).fit(x[rows], y[rows])
        weights, bias = fit.coef_.T.astype(np.float32), fit.intercept_.astype(np.float32)
        model = dd.as_classifier(
            lambda z, w=weights, b=bias: z.reshape(len(z), -1) @ w + b, input_shape=(1, 8, 8), num_classes=10
        )
        gain.append(np.mean(measure_calm(model, images, probe).hard - measure_calm(model, triggered, probe).hard))
    gain, draws, runs, rejected = np.array(gain), rng(0, "pairs"), 1000, 0
    assert gain.std() > 0
    for _ in range(runs):
        first, second = draws.permutation(24)[:20].reshape(2, 10)
        rejected += mean_effect(gain[first] - gain[second]).p <= 0.05
    assert 0.02 <= rejected / runs <= 0.08
