"""study cleansing: its cell on a small set, and its page from made-up records with known answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from doldrum.errors import InputError
from doldrum.records.study import CellRecord, StudyManifest, StudyRecords
from doldrum.report.studies.cleansing.page import arm_rows
from doldrum.report.studies.page import render_study, study_page
from doldrum.studies.cleansing import study as cleansing


@pytest.fixture
def small(monkeypatch):
    from doldrum.probes import Gaussian
    from doldrum.training import RECIPES, Recipe

    monkeypatch.setitem(
        RECIPES, "digits-mlp", Recipe(network="mlp", epochs=8, batch_size=64, lr=0.05, precision="fp32", threads=1)
    )
    monkeypatch.setattr(
        "doldrum.detectors.profile.families.default_families", lambda shape: {"noise": Gaussian([0.3], draws=6)}
    )
    return {"data": "digits", "recipe": "digits-mlp", "samples": 1000, "fit": 100, "calibration": 100, "rate": 0.1}


def test_a_cell_trains_again_on_what_each_method_leaves(small, monkeypatch) -> None:
    from doldrum.attacks import make_attack
    from doldrum.poisoning import evaluate, poison
    from doldrum.seeds import rng
    from doldrum.studies.base import datasets
    from doldrum.training import train

    trained = []
    monkeypatch.setattr(
        "doldrum.training.train", lambda data, *a, **k: trained.append(len(data)) or train(data, *a, **k)
    )
    cell = cleansing.CleansingCell(attack="badnets", target=3, **small)
    values = cleansing.run(cell)
    json.dumps(values, allow_nan=False)
    arms = {a["arm"]: a for a in values["arms"]}
    assert tuple(arms) == cleansing.ARMS
    assert (values["samples"], values["poisoned"], values["cover"], values["target"]) == (1000, 100, 0, 3)
    assert sorted(set(trained)) == sorted({1000 - a["dropped"] for a in arms.values()})
    assert (arms["known"]["dropped"], arms["known"]["dropped_poison"], arms["none"]["dropped"]) == (100, 100, 0)
    assert arms["ranking"]["dropped"] == 150
    assert arms["none"]["asr"] > 0.9
    assert arms["known"]["asr"] < 0.2

    # Again, by hand: what "known" leaves, and what spectral signatures take as their bound.
    whole, test = datasets("digits")
    data = whole.take(np.sort(rng(0, "study", "cleansing", "samples").permutation(len(whole))[:1000]))
    made = make_attack("badnets", data, recipe=cell.clean().recipe, seed=0, rate=0.1, target=3)
    bad = poison(data, made.trigger, made.plan, seed=0)
    share = bad.poisoned[np.asarray(bad.labels) == 3].mean()
    assert values["largest_share"] == pytest.approx(share, abs=1e-4)
    sizes = np.bincount(np.asarray(bad.labels))
    assert arms["spectral"]["dropped"] == sum(int(np.ceil(1.5 * share * n - 1e-9)) for n in sizes)
    model = train(bad.take(~bad.poisoned), cell.clean().recipe, seed=0, progress=False)
    rest = test.take(rng(0, "study", "cleansing").permutation(len(test))[200:])
    want = evaluate(model, rest, bad.trigger, bad.plan)
    assert (arms["known"]["asr"], arms["known"]["clean_accuracy"]) == (want.asr.value, want.clean_accuracy.value)
    assert values["evaluated"] == len(test) - 200


def test_a_clean_cell_has_nothing_to_find(small) -> None:
    values = cleansing.run(cleansing.CleansingCell(attack="clean", **small))
    assert values["found"] is None
    assert all(a["asr"] is None and a["auroc"] is None and a["dropped_poison"] == 0 for a in values["arms"])
    assert {a["arm"]: a["dropped"] for a in values["arms"]}["known"] == 0
    assert len(values["false"]["training"]) == len(values["levels"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"samples": 10}, "samples"),
        ({"fpr": 2}, "fpr"),
        ({"attack": "input-aware"}, "adds samples"),
        ({"fit": 1}, "fit"),
    ],
)
def test_a_cell_is_checked_when_made(small, change, why) -> None:
    with pytest.raises(InputError, match=why):
        cleansing.CleansingCell(**{**small, **change})


def arm(name, asr, accuracy=0.9, *, poison=0, clean=0, auroc=None):
    return {"arm": name, "dropped": poison + clean, "dropped_poison": poison, "dropped_cover": 0, "clean_accuracy": accuracy,
            "asr": asr, "auroc": auroc}  # fmt: skip


def cell(attack, arms, *, seed=0):
    bad = attack != "clean"
    values = {
        "target": 0, "samples": 1000, "poisoned": 50 if bad else 0, "cover": 0, "largest_share": 0.3, "levels": [0.01, 0.05, 0.1],
        "evaluated": 100, "false": {"held_out": [0.01, 0.04, 0.1], "training": [0.02, 0.08, 0.16]},
        "found": [0.5, 0.8, 0.9] if bad else None, "training_accuracy": 0.99, "limit": 70, "engine": "e",
        "clusters": [{"label": 0, "samples": 150, "share": 0.3, "silhouette": 0.25, "dropped": True},
                     {"label": 1, "samples": 100, "share": 0.2, "silhouette": 0.2, "dropped": True}],
        "arms": arms,
    }  # fmt: skip
    asked = {"attack": attack, "seed": seed, "rate": 0.05, "recipe": "r", "settings": {}, "changes": {}}
    return CellRecord(key=f"{attack}{seed}", cell=asked, values=values, seconds=1.0)


def all_arms(profile, spectral=0.9, clustering=0.95):
    return [
        arm("none", 1.0), arm("profile", profile, 0.89, poison=40, clean=19, auroc=0.99), arm("ranking", 0.8, poison=25, clean=50),
        arm("spectral", spectral, 0.85, poison=10, clean=190, auroc=0.6), arm("clustering", clustering), arm("known", 0.02, poison=50),
    ]  # fmt: skip


def records_of(*cells):
    manifest = StudyManifest(
        study="cleansing", grid="g", keys=tuple(c.key for c in cells), command="<script>x</script>"
    )
    return StudyRecords(manifest, tuple(cells), ())


def test_the_page_counts_broken_backdoors_and_takes_means_over_attacks() -> None:
    records = records_of(
        cell("badnets", all_arms(0.1)), cell("badnets", all_arms(0.3), seed=1), cell("wanet", all_arms(0.6, spectral=0.05)),
        cell("clean", [{**a, "asr": None, "auroc": None, "dropped_poison": 0} for a in all_arms(0)]),
    )  # fmt: skip
    page = study_page(records)
    ours = page.numbers["arms"]["profile"]
    assert (ours["models"], ours["attacks"], ours["broken"]) == (3, 2, 1)
    assert ours["asr"] == pytest.approx((0.2 + 0.6) / 2)  # seeds first, then attacks
    assert ours["poison_dropped"] == pytest.approx(0.8)
    assert ours["clean_dropped"] == pytest.approx(19 / 950)
    assert page.numbers["arms"]["spectral"]["broken"] == 1
    assert page.headline == (
        "Retraining without the samples dropped by the smoothness profile breaks 1 of 3 backdoors (spectral signatures 1, activation clustering 0)"
    )
    assert any("flags 4.0% of clean images" in text and "8.0% of the clean samples" in text for text in page.lede)
    assert "these backdoors still work: BadNets, WaNet" in " ".join(page.lede)
    html = render_study(records, page)
    assert "<script>x" not in html
    assert "A set without poison" in html
    clean = next(s for s in page.sections if s.title.startswith("What cleansing costs")).tables[0].rows
    assert clean[1][1:] == ["5.9%", "89.0%"]  # 59 of 1,000 dropped, all clean
    assert len(arm_rows(records.cells)) == 24


def test_a_page_of_one_clean_cell_is_a_page() -> None:
    page = study_page(records_of(cell("clean", [{**a, "asr": None, "dropped_poison": 0} for a in all_arms(0)])))
    assert page.headline == "No attack was cleansed"
