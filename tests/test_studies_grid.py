"""Grids: what lists stand for, and what a user sees who misspells."""

from __future__ import annotations

import json

import pytest

from doldrum.errors import InputError
from doldrum.studies import STUDIES, get_study, load_grid
from doldrum.studies.smoothing import HEADLINE

BASE = {"data": "digits", "recipe": "digits-mlp"}


@pytest.fixture
def smoothing():
    return get_study("smoothing")


def test_lists_are_combinations_and_seeds_vary_slowest(smoothing):
    _, cells = load_grid(
        smoothing,
        {
            **BASE,
            "draws": 7,
            "cells": [{"attack": ["badnets", "sig"], "seed": [0, 1]}, {"attack": "wanet", "draws": 9}],
        },
    )
    assert [(c.attack, c.seed, c.draws) for c in cells] == [
        ("badnets", 0, 7), ("sig", 0, 7), ("wanet", 0, 9), ("badnets", 1, 7), ("sig", 1, 7),
    ]  # fmt: skip


def test_a_list_field_takes_a_flat_list_as_one_value(smoothing):
    _, one = load_grid(smoothing, {**BASE, "strengths": [0.1, 0.2]})
    _, two = load_grid(smoothing, {**BASE, "strengths": [[0.1, 0.2], [0.3]]})
    assert [c.strengths for c in one] == [(0.1, 0.2)]
    assert [c.strengths for c in two] == [(0.1, 0.2), (0.3,)]


def test_a_cell_named_twice_is_one_cell(smoothing):
    _, cells = load_grid(smoothing, {**BASE, "cells": [{"seed": [0, 1]}, {"seed": 1, "target": 1}]})
    assert [c.seed for c in cells] == [0, 1]


def test_toml_and_json_files_give_the_same_cells(smoothing, tmp_path):
    toml, as_json = tmp_path / "grid.toml", tmp_path / "grid.json"
    toml.write_text('data = "digits"\nrecipe = "digits-mlp"\n[[cells]]\nseed = [0, 1]\nsettings = {size = 2}\n')
    as_json.write_text(json.dumps({**BASE, "cells": [{"seed": [0, 1], "settings": {"size": 2}}]}))
    assert load_grid(smoothing, toml)[1] == load_grid(smoothing, as_json)[1]
    assert load_grid(smoothing, toml)[0] == "grid.toml"


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"strenghts": [0.1]}, r"expected fields of a cell \(.*\), got 'strenghts'; did you mean 'strengths'\?"),
        ({"cell": [{}]}, "got 'cell'; did you mean 'cells'"),
        ({"attack": "badnet"}, "expected an attack among .*, got 'badnet'; did you mean 'badnets'"),
        ({"attack": ["badnets", "wanett"]}, "got 'wanett'; did you mean 'wanet'"),
        ({"data": "digit"}, "expected a data set among .*, got 'digit'; did you mean 'digits'"),
        ({"recipe": "digits-mpl"}, "expected a recipe among"),
        ({"settings": {"sise": 2}}, "expected settings of badnets .*, got 'sise'"),
        ({"changes": {"epoch": 2}}, "expected changes to settings of a Recipe"),
        ({"draws": "many"}, "expected draws a whole number of at least 2, got 'many'"),
        ({"seed": []}, "expected at least one value for seed, got an empty list"),
        ({"seed": -1}, "expected seed a whole number of at least 0, got -1"),
        ({"target": 10}, "expected a target from 0 to 9, got 10"),
        ({"sigma": -0.1}, "expected a positive sigma, got -0.1"),
        ({"cells": []}, r"expected cells to be a list of at least one table, got something else; write \[\[cells\]\]"),
        ({"cells": {"seed": 1}}, "expected cells to be a list"),
        ({"study": "success"}, "expected a grid for the study smoothing, got one for 'success'"),
    ],
)
def test_what_a_user_sees_who_misspells(smoothing, grid, message):
    with pytest.raises(InputError, match=message):
        load_grid(smoothing, {**BASE, **grid})


def test_names_of_grids_and_files(smoothing, tmp_path):
    with pytest.raises(InputError, match="expected a grid among quick, full, got 'quik'; did you mean 'quick'"):
        load_grid(smoothing, "quik")
    with pytest.raises(InputError, match=r"grid\.toml, got .*; mend the file"):
        load_grid(smoothing, tmp_path / "grid.toml")
    (tmp_path / "grid.toml").write_text("data = [")
    with pytest.raises(InputError, match=r"expected a grid in .*grid\.toml, got"):
        load_grid(smoothing, tmp_path / "grid.toml")
    (tmp_path / "grid.toml").write_text('data = "digits"\nsed = 3\n')
    with pytest.raises(InputError, match=r"grid\.toml: expected fields of a cell .*, got 'sed'; did you mean 'seed'"):
        load_grid(smoothing, tmp_path / "grid.toml")
    with pytest.raises(InputError, match=r"expected a study among .*, got 'smothing'; did you mean 'smoothing'"):
        get_study("smothing")


@pytest.mark.parametrize("name", list(STUDIES))
def test_the_grids_of_every_study_can_be_read(name, monkeypatch):
    """Against digits, which is always here: names, fields and values are right."""
    study = get_study(name)
    for grid in study.grids.values():
        spelled = json.loads(json.dumps(dict(grid)))
        spelled["data"] = "digits"
        for block in spelled.get("cells", []):
            block.pop("data", None)
        assert load_grid(study, spelled)[1]


def test_full_has_the_models_that_the_findings_need(smoothing):
    def cells(name):
        grid = {**get_study(name).grids["full"], "data": "digits"}
        return load_grid(get_study(name), grid)[1]

    full = cells("smoothing")
    for attack in HEADLINE:
        own = [c for c in full if c.attack == attack]
        assert len({c.seed for c in own}) >= 10
        assert len({c.target for c in own}) == 10
    others = {c.attack for c in full} - {*HEADLINE, "clean"}
    assert len(others) == 12
    assert all(len([c for c in full if c.attack == a]) == 3 for a in others)
    # Pairs of clean models share none.
    pairs = [s for c in full if c.attack == "clean" for s in (c.seed, c.seed + 1)]
    assert len(pairs) == len(set(pairs))
    assert len({c.victim.key for c in cells("success") if not c.follow}) >= 60
