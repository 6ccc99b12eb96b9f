"""study inspection: a cell is one model, read as `examine` reads it on the images that all cells share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from doldrum.attacks import get_victim
from doldrum.errors import InputError
from doldrum.inspectors.examine import examine
from doldrum.records.attacks import HELD_OUT
from doldrum.seeds import rng
from doldrum.studies import get_study, load_grid
from doldrum.studies.base import datasets
from doldrum.studies.inspection.study import InspectionCell, run

TINY: dict[str, Any] = {
    "data": "digits",
    "recipe": "digits-mlp",
    "changes": {"epochs": 3},
    "inputs": 60,
    "inspectors": ("mask",),
    "rate": 0.1,
}


@pytest.fixture(scope="module", autouse=True)
def victims(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOLDRUM_VICTIMS", str(tmp_path_factory.mktemp("victims")))
        yield


def test_a_cell_holds_what_examine_finds_on_the_shared_images() -> None:
    cell = InspectionCell(**TINY, attack="badnets", seed=1)
    values = run(cell)
    test = datasets("digits")[1]
    clean = test.take(rng(0, "study", "inspection").permutation(len(test))[:60])
    mine = examine(get_victim(cell.victim).model, clean, inspectors=["mask"], seed=0, progress=False).readings[0]
    told = {(s, t): v for s, t, v in values["readings"][0]["values"]}
    for route, value in mine.values.items():
        if math.isnan(value):
            assert told[route.source, route.target] is None
        else:
            assert told[route.source, route.target] == pytest.approx(value, abs=1e-5)
    assert values["victim"] == cell.victim.key
    assert values["target"] == cell.target
    shares = {(s, t): v for name, s, t, v, _ in values["success"]}
    assert set(shares) <= set(told)
    assert all(0 <= v <= 1 for v in shares.values())
    assert all(t is None or leads in (t, None) for _, _, t, _, leads in values["success"])


def test_a_clean_cell_is_the_clean_model_of_its_own_seed() -> None:
    cell = InspectionCell(**TINY, attack="clean", seed=305)
    assert cell.victim == cell.clean(305)
    assert run(cell)["asr"] is None


def test_targets_go_round_over_attacks_and_seeds() -> None:
    targets = {
        (a, s): InspectionCell(**TINY, attack=a, seed=s).target for a in ("badnets", "blended") for s in (0, 1, 2)
    }
    assert list(targets.values()) == [0, 3, 6, 4, 7, 0]
    assert InspectionCell(**TINY, attack="badnets", seed=1, target=5).target == 5


def test_grids_hold_choices_and_figures_apart() -> None:
    """Development cells have no held-out attack, and no seed of the cells that the figures are of."""
    name, cells = load_grid(get_study("inspection"), "full")
    assert name == "full"
    development = [c for c in cells if 100 <= c.seed < 200]
    assert development
    assert not {c.attack for c in development} & set(HELD_OUT)
    bad = [c for c in cells if c.attack != "clean" and 200 <= c.seed < 300]
    clean = [c for c in cells if c.attack == "clean"]
    assert len(bad) >= 120
    assert len(clean) >= 60
    assert len({c.attack for c in bad}) == 18


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inspectors": ("magic",)}, "expected inspectors among"),
        ({"inspectors": "mask"}, "a list of inspectors"),
        ({"inputs": 10}, "inputs"),
        ({"inputs": 300}, "inputs and 100 others"),
        ({"attack": "nonsense"}, "an attack"),
    ],
)
def test_cells_that_can_not_be(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        InspectionCell(**{**TINY, **change})


def test_records_are_finite_numbers() -> None:
    values = run(InspectionCell(**TINY, attack="clean", seed=306))
    assert np.isfinite([v for _, _, v in values["readings"][0]["values"] if v is not None]).all()
