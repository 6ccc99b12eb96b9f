"""Grids: what lists stand for, and what a user sees who misspells."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from doldrum.attacks import ATTACKS
from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.studies import get_study, list_studies, load_grid
from doldrum.studies.compare import HEADLINE

RESULTS = Path(__file__).parents[2] / "docs" / "results"

BASE = {"data": "digits", "recipe": "digits-mlp", "inputs": 50, "pick": 50}


@pytest.fixture
def smoothing():
    return get_study("smoothing")


def test_lists_are_combinations_and_seeds_vary_slowest(smoothing):
    _, cells = load_grid(
        smoothing,
        {
            **BASE,
            "draws": 7,
            "cells": [{"attack": ["badnets", "blended"], "seed": [0, 1]}, {"attack": "wanet", "draws": 9}],
        },
    )
    assert [(c.attack, c.seed, c.draws) for c in cells] == [
        ("badnets", 0, 7), ("blended", 0, 7), ("wanet", 0, 9), ("badnets", 1, 7), ("blended", 1, 7),
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
    toml.write_text(
        'data = "digits"\nrecipe = "digits-mlp"\ninputs = 50\npick = 50\n[[cells]]\nseed = [0, 1]\nsettings = {size = 2}\n'
    )
    as_json.write_text(json.dumps({**BASE, "cells": [{"seed": [0, 1], "settings": {"size": 2}}]}))
    assert load_grid(smoothing, toml)[1] == load_grid(smoothing, as_json)[1]
    assert load_grid(smoothing, toml)[0] == "grid.toml"


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (
            {"strenghts": [0.1]},
            r"expected names of fields of a cell \(.*\), got 'strenghts'; did you mean 'strengths'\?",
        ),
        ({"cell": [{}]}, "got 'cell'; did you mean 'cells'"),
        ({"attack": "badnet"}, "expected an attack among .*, got 'badnet'; did you mean 'badnets'"),
        ({"attack": ["badnets", "wanett"]}, "got 'wanett'; did you mean 'wanet'"),
        ({"data": "digit"}, "expected a data set among .*, got 'digit'; did you mean 'digits'"),
        ({"recipe": "digits-mpl"}, "expected recipe= among"),
        ({"settings": {"sise": 2}}, "expected settings of badnets .*, got 'sise'"),
        ({"changes": {"epoch": 2}}, "expected changes to settings of a Recipe"),
        ({"draws": "many"}, "expected draws to be a whole number of at least 2 and at most 10,000, got 'many'"),
        ({"seed": []}, "expected a list with at least one value for seed, got an empty list"),
        ({"seed": -1}, "expected seed to be a whole number of at least 0 and at most .*, got -1"),
        ({"target": 10}, "expected a target from 0 to 9, got 10"),
        ({"sigma": -0.1}, "expected sigma as a number above 0 and below 1000, got -0.1"),
        ({"cells": []}, r"expected cells to be a list of at least one table, got something else; write \[\[cells\]\]"),
        ({"cells": {"seed": 1}}, "expected cells to be a list"),
        ({"study": "success"}, "expected a grid for the study smoothing, got a grid for the study 'success'"),
        ({"rate": -0.1}, "expected rate to be a share from 0 to 1, got -0.1"),
        ({"rate": math.nan}, "expected rate to be a share from 0 to 1, got nan"),
        ({"rate": True}, "expected rate to be a share from 0 to 1, got True"),
        ({"inputs": 10**9}, "expected inputs to be a whole number of at least 1 and at most 359, got 1000000000"),
        ({"pick": 10**9}, "expected pick to be a whole number of at least 1 and at most 359, got 1000000000"),
        ({"draws": 10**9}, "expected draws to be a whole number of at least 2 and at most 10,000, got 1000000000"),
        ({"seed": 2**63}, "expected seed to be a whole number"),
        ({"strengths": [0, 0.1]}, "expected strengths to be a list of numbers above 0, got"),
        ({"strengths": [math.nan]}, "expected strengths to be a list of numbers above 0, got"),
        ({"strengths": "abc"}, "expected strengths to be a list of numbers above 0, got 'abc'"),
        ({"strengths": 0.1}, "expected strengths to be a list of numbers above 0, got 0.1"),
        ({"sigma": True}, "expected sigma as a number above 0 and below 1000, got True"),
        ({"changes": "x"}, "expected changes to be a mapping of names to values, got 'x'"),
        ({"settings": 5}, "expected settings to be a mapping of names to values, got 5"),
        ({"changes": {"network": "resnet99"}}, r"expected the name of a network \(.*\), got 'resnet99'"),
        ({"attack": {"a": 1}}, "expected an attack among"),
        ({"data": {"a": 1}}, "expected the name of a data set"),
        ({"cells": [{"cells": [{}]}]}, "got 'cells'; write the list of cells once"),
        (
            {"seed": list(range(1000)), "target": list(range(10)), "draws": list(range(2, 102))},
            "at most 100,000 cells, got 1,000,000",
        ),
    ],
)
def test_what_a_user_sees_who_misspells(smoothing, grid, message):
    with pytest.raises(InputError, match=message):
        load_grid(smoothing, {**BASE, **grid})


@pytest.mark.parametrize(
    ("name", "grid", "message"),
    [
        ("smoothing", {"recipe": "colour-cn"}, "expected recipe= among"),
        ("smoothing", {"settings": {"siz": 8}}, "expected settings of badnets"),
        ("smoothing", {"settings": {"size": 99}}, "size"),
        ("smoothing", {"target": 100}, "expected a target from 0 to 99, got 100"),
        ("smoothing", {"data": "digits", "recipe": "transfer"}, "expected colour images of at least 32 x 32"),
        ("smoothing", {"inputs": 10_000}, "expected inputs to be a whole number of at least 1 and at most 5,000"),
        ("smoothing", {"data": "textures,classes=10:test"}, "without a split, .* write the name alone: textures,classes=10"),
        ("detection", {"detectors": "profil"}, "profil"),
        ("detection", {"data": "textures,classes=10"}, "expected at most 500 images for the sum of fit"),
        ("cleansing", {"samples": 30_000}, "expected at most 20,000 images for samples"),
        ("inspection", {"inspectors": ["no"]}, "no"),
        ("repair", {"methods": ["no"]}, "expected a list of methods among"),
        ("patterns", {"size": 99}, "expected size to be a whole number of at least 3 and at most 32"),
    ],
)  # fmt: skip
def test_what_needs_no_images_is_refused_before_any_are_made(monkeypatch, name, grid, message):
    study = get_study(name)  # imported before its modules are changed
    for module in [module for key, module in sys.modules.items() if key.startswith("doldrum.studies.")]:
        monkeypatch.setattr(module, "datasets", lambda name: pytest.fail("made images"), raising=False)
    with pytest.raises(InputError, match=message):
        load_grid(study, {"data": "textures", "recipe": "colour-cnn", **grid})


@pytest.mark.parametrize(
    ("name", "grid", "message"),
    [
        ("success", {"follow": [-1]}, "expected follow to be a list of training steps from 0"),
        ("success", {"follow": 5}, "expected follow to be a list of training steps from 0, got 5"),
        ("success", {"follow": [5], "attack": "clean"}, "because follow is given, got 'clean'"),
        (
            "success",
            {"follow": [5], "attack": "input-aware"},
            "expected an attack that only adds samples, got input-aware",
        ),
        ("patterns", {"pattern": "callm"}, "got 'callm'; did you mean 'calm'"),
        ("patterns", {"budget": "x"}, "expected budget to be a share from 0 to 1, got 'x'"),
        ("patterns", {"budget": 0}, r"expected budget in \(0, 1\], got 0"),
        ("patterns", {"size": 99}, "expected size to be a whole number of at least 3 and at most 8, got 99"),
        ("patterns", {"levels": [1.5]}, r"expected levels as success rates in \(0, 1\]"),
        ("patterns", {"levels": ["a"]}, "expected levels to be a list of numbers above 0"),
        (
            "patterns",
            {"calibration": 300},
            r"expected at most 359 images for the sum of calibration, pick and inputs \(all images of digits\), got 500 images; ask for fewer images",
        ),
        ("detection", {"stress": "yes"}, "expected stress to be true or false, got 'yes'"),
        (
            "detection",
            {},
            r"expected at most 359 images for the sum of fit, calibration, test and inputs \(all images of digits\), got 1,100",
        ),
        (
            "cleansing",
            {"fit": 100, "calibration": 99},
            r"expected at most 1,438 images for samples \(all images of digits\), got 10,000",
        ),
    ],
)
def test_what_other_studies_refuse_before_any_work(name, grid, message):
    with pytest.raises(InputError, match=message):
        load_grid(get_study(name), {"data": "digits", "recipe": "digits-mlp", **grid})


def test_empty_grids_and_grids_of_another_type(smoothing):
    for grid in ({}, [], None, 5):
        with pytest.raises(InputError, match="expected a grid with fields of a cell, got"):
            load_grid(smoothing, grid)


def test_one_value_said_in_two_ways_is_one_cell(smoothing):
    _, cells = load_grid(
        smoothing, {**BASE, "cells": [{"rate": 0, "strengths": [0.2, 0.1]}, {"rate": 0.0, "strengths": [0.1, 0.2]}]}
    )
    assert len(cells) == 1


def test_names_of_grids_and_files(smoothing, tmp_path):
    with pytest.raises(InputError, match="expected a grid among quick, full, got 'quik'; did you mean 'quick'"):
        load_grid(smoothing, "quik")
    with pytest.raises(
        InputError, match=r"got 'grid\.yaml'; pick one, or pass a file whose name ends in \.toml or \.json"
    ):
        load_grid(smoothing, "grid.yaml")
    with pytest.raises(
        InputError,
        match=r"expected the path of a file with a grid, got the path .*grid\.toml, which is not there; check the path",
    ):
        load_grid(smoothing, tmp_path / "grid.toml")
    (tmp_path / "grid.toml").write_text("data = [")
    with pytest.raises(InputError, match=r"expected a grid in the file .*grid\.toml, got"):
        load_grid(smoothing, tmp_path / "grid.toml")
    (tmp_path / "grid.toml").write_text('data = "digits"\nsed = 3\n')
    with pytest.raises(
        InputError, match=r"grid\.toml: expected names of fields of a cell .*, got 'sed'; did you mean 'seed'"
    ):
        load_grid(smoothing, tmp_path / "grid.toml")
    with pytest.raises(InputError, match=r"expected a study among .*, got 'smothing'; did you mean 'smoothing'"):
        get_study("smothing")


@pytest.fixture
def untrained(monkeypatch):
    """Nothing is trained: neither by the loop nor by an attack that makes its trigger by gradient."""

    def step(*args, **kwargs):
        raise AssertionError("something was trained")

    for optimizer in (torch.optim.Adam, torch.optim.SGD):
        monkeypatch.setattr(optimizer, "step", step)
    monkeypatch.setattr("doldrum.training.train", step)


MOST = "expected rate= of at most 0.0"


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"attack": "sig", "settings": {"frequency": 3}, "rate": 0.2}, r"sig, seed 0, data digits, rate 0.2, .*expected rate= of at most 0.0987483 \(142 of 1438"),
        ({"attack": "label-consistent", "rate": 0.2}, MOST),
        ({"attack": "tact", "rate": 0.2}, "expected rate= of at most 0.10153"),
        ({"attack": "sig", "settings": {"frequency": 3}, "data": "digits 1:10", "target": 9}, r"expected rate= of at most 0.0238095 \(14 of 588"),
        ({"attack": "tact", "data": "digits 1:100", "target": 8}, MOST),  # its source is the next class
        ({"rate": 0.0001}, "expected rate= to be 0 or at least 0.000695"),
        ({"rate": 0.95}, "expected rate= of at most 0.90"),
        ({"attack": "wanet", "rate": 0.4}, "expected cover_rate of at most 0.6"),
        ({"settings": {"size": 9}}, "size"),
        ({"settings": {"size": 2.5}}, "expected a whole number"),
        ({"settings": {"pattern": "pink"}}, "pattern"),
        ({"attack": "all-to-all", "settings": {"size": 0}}, "size"),
        ({"attack": "blended", "settings": {"alpha": 1.5}}, "alpha"),
        ({"attack": "sig", "settings": {"delta": -1}}, "delta"),
        ({"attack": "label-consistent", "settings": {"eps": 2}}, "eps"),
        ({"attack": "label-consistent", "settings": {"size": 9}}, "size"),
        ({"attack": "trojannn", "settings": {"size": 9}}, "size"),
        ({"attack": "trojannn", "settings": {"neurons": 10_000}}, "1 to 128 neurons, got the target class 0 and 10000 neurons"),
        ({"attack": "wanet", "settings": {"k": 1}}, "k"),
        ({"attack": "issba", "settings": {"bits": 5000}}, "1 to 4096 bits"),
        ({"attack": "input-aware", "settings": {"density": 2}}, "density"),
        ({"attack": "bpp", "settings": {"levels": 1}}, "levels"),
        ({"attack": "lf", "settings": {"cutoff": 0}}, "cutoff"),
        ({"attack": "lf", "settings": {"cutoff": 0, "optimised": True}}, "cutoff"),
        ({"attack": "ftrojan", "settings": {"positions": [99]}}, "position"),
        ({"attack": "tact", "settings": {"source": 0}}, "source"),
        ({"attack": "adap-blend", "settings": {"alpha": 2}}, "alpha"),
        ({"attack": "adap-patch", "settings": {"training_opacity": 2}}, "opacity"),
        ({"attack": "lsba", "settings": {"target_probability": 2}}, "target_probability"),
        ({"attack": "noise-hardened", "settings": {"sigmas": [-1]}}, "sigma"),
        ({"attack": "anti-smoothing", "settings": {"cover_ratio": 1e3}}, "cover_ratio"),
        ({"pick": 358}, "one test image of the attacker's class, after 358 images for sigma-half"),
    ],
)  # fmt: skip
def test_what_an_attack_cannot_have_is_refused_before_anything_is_trained(smoothing, untrained, grid, message):
    with pytest.raises(InputError, match=message):
        load_grid(smoothing, {**BASE, **grid})


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_an_attack_can_have_is_found_out_without_training(smoothing, untrained, attack):
    settings = {"frequency": 3} if attack == "sig" else {"positions": [3, 7]} if attack == "ftrojan" else {}
    (cell,) = load_grid(
        smoothing, {**BASE, "data": "digits 1:2", "rate": 0.04, "attack": attack, "settings": settings}
    )[1]
    assert (cell.plan().rate, cell.plan().target) == (0.04, 0)


def test_splits_of_detection_and_parts_of_cleansing_are_tried_too(untrained):
    sizes = {"fit": 100, "calibration": 99, "test": 40, "inputs": 30}
    assert load_grid(get_study("detection"), {**BASE, **sizes})[1]
    with pytest.raises(
        InputError,
        match=r"tact, seed 0, .*: expected 239 clean test images and 30 test images that can be attacked, got 359 test images in all, with 12 that can",
    ):
        load_grid(get_study("detection"), {**BASE, **sizes, "attack": ["badnets", "tact"]})
    part = {"samples": 1000, "fit": 100, "calibration": 99, "attack": "sig", "settings": {"frequency": 3}}
    (cell,) = load_grid(get_study("cleansing"), {**BASE, **part})[1]
    labels = cell.training_set().labels
    most = (labels == 0).mean()
    assert load_grid(get_study("cleansing"), {**BASE, **part, "rate": most})[1]
    with pytest.raises(InputError, match=f"at most {most:.6g} .* of 1000 samples"):
        load_grid(get_study("cleansing"), {**BASE, **part, "rate": most + 0.001})


@pytest.fixture
def large_sets(monkeypatch):
    """Every data set is 10,000 blank images of 28 x 28: names, fields and values of grids are read, and nothing else."""
    blank = ImageSet(np.zeros((10_000, 1, 28, 28), np.uint8), np.arange(10_000) % 10)
    for name in list_studies():
        get_study(name)
    for name, module in list(sys.modules.items()):
        if name.startswith("doldrum.studies.") and hasattr(module, "datasets"):
            monkeypatch.setattr(module, "datasets", lambda name: (blank, blank))


@pytest.mark.parametrize("name", list_studies())
def test_the_grids_of_every_study_can_be_read(name, large_sets):
    study = get_study(name)
    for grid in study.grids:
        assert load_grid(study, grid)[1]


def test_full_has_the_models_that_the_findings_need(large_sets):
    def cells(name):
        return load_grid(get_study(name), "full")[1]

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


@pytest.mark.parametrize("name", [name for name in list_studies() if (RESULTS / name).is_dir()])
def test_the_pages_in_the_docs_are_of_the_full_grid(name, large_sets):
    study = get_study(name)
    full, file = ({study.key(c) for c in load_grid(study, grid)[1]} for grid in ("full", RESULTS / name / "grid.toml"))
    assert full == file
