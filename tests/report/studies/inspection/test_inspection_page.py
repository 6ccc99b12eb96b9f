"""The report of study inspection on made-up records with known answers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.judging.anomaly import anomaly_index
from doldrum.inspectors.judging.standard import standings
from doldrum.inspectors.kinds import DEFAULT, INSPECTORS
from doldrum.records.study import CellRecord, StudyManifest, StudyRecords
from doldrum.report.studies.inspection.judged import ALL, SIZED, VERDICT, Judged, Model, judged, models_of
from doldrum.report.studies.inspection.page import page
from doldrum.report.studies.inspection.summary import (
    CLASSIC,
    cross_entropy,
    is_development,
    judge_all,
    neural_cleanse,
    summary_of,
)
from doldrum.report.studies.page import render_study, study_page
from doldrum.seeds import rng

CLASSES = 5


def cell(
    attack: str,
    seed: int,
    *,
    lift: float = 0.0,
    target: int = 0,
    by: str = "mask",
    asr: float | None = None,
    network: str = "fashion-cnn",
) -> CellRecord:
    """A model whose values are normal, but `lift` higher for the target; the trigger found there moves 9 of 10 images."""
    draw = rng(seed, attack, by, network).normal(0, 0.2, CLASSES) - 3
    draw[target] += lift
    values = {
        "victim": f"{attack}{seed}{network}", "target": target, "clean_accuracy": 0.9, "asr": asr,
        "readings": [{"inspector": by, "seconds": 4.0, "refused": "", "values": [[None, k, float(v)] for k, v in enumerate(draw)]}],
        "success": [[by, None, k, 0.9, k] for k in range(CLASSES)],
    }  # fmt: skip
    asked = {"attack": attack, "seed": seed, "recipe": network, "changes": {}, "inspectors": [by]}
    return CellRecord(key=f"{attack}{seed}{by}{network}", cell=asked, values=values, seconds=1.0)


def grid() -> list[CellRecord]:
    cells = [cell("clean", 300 + i) for i in range(19)]
    cells += [cell("clean", 200 + i) for i in range(8)] + [cell("clean", 100 + i) for i in range(4)]
    for seed in (100, 101, 200, 201):
        cells += [cell("badnets", seed, lift=3.0, target=2, asr=1.0), cell("bpp", seed, target=1, asr=0.4)]
    return cells


def records(cells: list[CellRecord]) -> StudyRecords:
    manifest = StudyManifest(study="inspection", grid="given", keys=tuple(c.key for c in cells), command="")
    return StudyRecords(manifest=manifest, cells=tuple(cells), failures=())


def test_cells_of_one_victim_are_one_model() -> None:
    found = models_of([cell("badnets", 200, asr=1.0), cell("badnets", 200, by="warp", asr=1.0), cell("clean", 300)])
    assert [(m.attack, m.seed, m.reference) for m in found] == [("badnets", 200, False), ("clean", 300, True)]
    assert {name for name, _, _ in found[0].values} == {"mask", "warp"}
    assert found[0].seconds == {"mask": 4.0, "warp": 4.0}
    assert math.isnan(found[1].asr)


def test_the_page_and_the_verdict_stand_models_in_one_way() -> None:
    """The page computes from records what `inspect` computes from readings."""
    cells = grid()
    models = models_of(cells)
    references = [m for m in models if m.reference]

    def reading(model: Model) -> list[Reading]:
        return [Reading("mask", {Route(s, t): v for (_, s, t), v in model.values.items()})]

    for one in judged(models, ALL, ["mask"]):
        first, *rest = standings([reading(one.model), *map(reading, references)])
        assert one.score == pytest.approx(first.score)
        assert one.p == (1 + sum(r.score >= first.score for r in rest)) / 20
        assert one.most[2] == first.most[1].target  # type: ignore[index]


def test_the_verdict_is_of_the_same_inspectors() -> None:
    assert VERDICT == DEFAULT
    assert tuple(name for name in DEFAULT if INSPECTORS[name].sizes) == SIZED


def test_wrong_labels_are_no_backdoor() -> None:
    """They are shown apart, and count neither as backdoored models nor as clean ones."""
    cells = grid()
    wrong = cell("blended", 200, lift=0.5, target=3, asr=0.02)
    wrong = replace(wrong, key="wrong", cell={**wrong.cell, "settings": {"alpha": 0.0}})
    made, before = page(records([*cells, wrong])), page(records(cells))
    assert made.numbers["inspectors"] == before.numbers["inspectors"]
    section = next(s for s in made.sections if "wrong labels" in s.title)
    row = section.tables[0].rows[0]
    smaller = math.exp(
        models_of([wrong])[0].values["mask", None, int(_most(made))]
        - np.mean([models_of([c])[0].values["mask", None, int(_most(made))] for c in cells[:19]])
    )
    assert row[5] == f"{smaller:.1f}"
    assert row[6] == "no"


def _most(made: Any) -> int:
    return next(r["points_to"] for r in made.csv["models"] if r["attack"] == "wrong labels" and r["by"] == ALL)


def test_networks_are_judged_beside_their_own_references() -> None:
    cells = [cell("clean", 300 + i) for i in range(5)] + [cell("clean", 200, network="mlp")]
    assert judged(models_of(cells), ALL, ["mask"]) == []


def test_what_choices_were_made_on() -> None:
    found = {(m.attack, m.seed): is_development(m) for m in models_of([*grid(), cell("badnets", 100, network="mlp")])}
    assert found["badnets", 101]
    assert not found["bpp", 101]  # held out
    assert not found["badnets", 200]
    assert not is_development(models_of([cell("badnets", 100, network="mlp")])[0])


def test_figures_by_hand() -> None:
    mask: tuple[str, None, int] = ("mask", None, 1)

    def one(attack: str, score: float, p: float, target: int = 1) -> Judged:
        model = Model("n", attack, 200, target, 1.0, 0.9, success={mask: 0.8}, seconds={"mask": 3.0})
        return Judged(model, "mask", score, p, mask)

    found = [
        one("clean", 1.0, 0.5),
        one("clean", 4.0, 0.05),
        one("badnets", 5.0, 0.05),
        one("badnets", 3.0, 0.1),
        one("sig", 9.0, 0.05, 2),
    ]
    got = summary_of("mask", found, ["badnets", "sig"], 19)
    assert (got.models, got.clean, got.alarms) == (3, 2, 1)
    assert got.auroc == pytest.approx((1 + 0.5 + 1) / 3)
    assert got.tpr == pytest.approx(2 / 3)
    assert got.target.value == pytest.approx(0.5)  # the flag on "sig" names class 1
    assert got.success == pytest.approx(0.8)
    assert got.seconds == pytest.approx(3.0)


def test_neural_cleanse_is_its_published_rule() -> None:
    for record in grid():
        model = models_of([record])[0]
        found = neural_cleanse(model)
        sizes = np.exp([-model.values["mask", None, k] for k in range(CLASSES)])
        index, label = anomaly_index(sizes)
        assert found.score == pytest.approx(index)
        assert found.most[2] == label
        assert found.p == (0.0 if index > 2 else 1.0)


def test_cross_entropy_is_that_of_the_likeliest_logistic_curve() -> None:
    chance = rng(0, "entropy")

    def some(n: int) -> list[Judged]:
        kinds = [("clean", 2.0), ("badnets", 6.0)]
        return [
            Judged(Model("n", kind, 200, 0, 1.0, 0.9), ALL, float(abs(chance.normal(mean, 2))), 0.5, ("mask", None, 0))
            for kind, mean in kinds for _ in range(n)
        ]  # fmt: skip

    development, test = some(40), some(30)

    def loss(beta: np.ndarray, js: list[Judged]) -> float:
        x = np.log1p([j.score for j in js])
        sign = np.array([1 if j.model.clean else -1 for j in js])
        return float(np.logaddexp(0, sign * (beta[0] + beta[1] * x)).mean())

    best = minimize(lambda b: loss(b, development) + 0.005 * b[1] ** 2, np.zeros(2), tol=1e-10).x
    assert cross_entropy(test, development=development) == pytest.approx(loss(best, test), abs=1e-4)
    assert math.isnan(cross_entropy(test, development=[]))


def test_the_page_says_what_the_records_say() -> None:
    cells = grid()
    made = page(records(cells))
    ours = made.numbers["inspectors"][ALL]["all"]
    assert made.numbers["references"] == 19
    assert ours["models"] == 6  # badnets of two seeds, bpp of four
    assert ours["clean"] == 8 + 4 - 4  # those of development are shown apart
    assert made.numbers["inspectors"][ALL]["one trigger"]["tpr"] == 1.0
    assert f"finds {round(ours['tpr'] * 6)} of 6 backdoored models" in made.headline
    assert set(judge_all(models_of(cells))) == {ALL, "mask", CLASSIC}
    text = render_study(records(cells), study_page(records(cells)))
    assert "Neural Cleanse, published rule" in text


@pytest.mark.parametrize(
    "cells",
    [[cell("clean", 300)], [cell("badnets", 200, asr=1.0)], [cell("clean", 300 + i) for i in range(4)]],
    ids=len,
)
def test_a_study_that_has_hardly_begun_has_a_page(cells: list[Any]) -> None:
    assert "There are too few models" in page(records(cells)).headline
    render_study(records(cells), study_page(records(cells)))
