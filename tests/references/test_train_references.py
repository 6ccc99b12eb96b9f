"""Reference models: the same whatever the machine does, gone on with, and never mixed with others."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import doldrum as dd
from doldrum.errors import InputError
from doldrum.locks import locked
from doldrum.references import MANIFEST, ReferencesManifest, train_references
from doldrum.seeds import child_seed
from doldrum.training import Recipe, get_recipe

SHORT = Recipe(network="mlp", epochs=2, batch_size=64, lr=0.05, threads=1)


@pytest.fixture(scope="module")
def digits():
    return dd.load_dataset("digits:train").take(range(256))


def test_a_model_is_the_one_that_train_makes_with_its_seed(tmp_path, digits):
    made = train_references(tmp_path / "refs", data=digits, recipe=replace(SHORT, threads=2), count=2, seed=5)
    for number in (0, 1):
        own = child_seed(5, "reference", number) % 2**63
        assert made.fingerprints[number] == dd.train(digits, SHORT, seed=own, progress=False).fingerprint
    assert len(set(made.fingerprints)) == 2
    manifest = ReferencesManifest.load(tmp_path / "refs" / MANIFEST)
    assert (manifest.count, manifest.seed, manifest.data_hash) == (2, 5, digits.content_hash())
    assert manifest.settings["threads"] == 1
    assert made.manifest == manifest


def test_neither_workers_nor_a_larger_count_change_a_model(tmp_path, digits):
    first = train_references(tmp_path / "a", data=digits, recipe=SHORT, count=1)
    before = os.stat(tmp_path / "a" / first.names[0]).st_mtime_ns
    grown = train_references(tmp_path / "a", data=digits, recipe=SHORT, count=3, workers=2)
    assert os.stat(tmp_path / "a" / first.names[0]).st_mtime_ns == before
    assert grown.fingerprints == train_references(tmp_path / "b", data=digits, recipe=SHORT, count=3).fingerprints
    assert sorted(os.listdir(tmp_path / "a")) == [*grown.names, MANIFEST]
    fewer = train_references(tmp_path / "a", data=digits, recipe=SHORT, count=2)
    assert len(fewer) == 3


def test_a_cut_off_training_goes_on_from_its_last_epoch(tmp_path, digits, monkeypatch):
    from doldrum.training.state import RunState

    whole = train_references(tmp_path / "whole", data=digits, recipe=SHORT, count=2).fingerprints
    save, saved = RunState.save, []

    def cut(self, path):
        save(self, path)
        saved.append(path)
        if len(saved) == 3:  # of the second model the first epoch
            raise KeyboardInterrupt

    monkeypatch.setattr(RunState, "save", cut)
    out = tmp_path / "refs"
    with pytest.raises(KeyboardInterrupt):
        train_references(out, data=digits, recipe=SHORT, count=2)
    (out / "reference-0001.safetensors.123.part").write_text("a draft")
    with pytest.raises(InputError, match=r"expected the 2 reference models of .*, got 1 of them; .* or pass --count 1"):
        dd.open_references(out)
    assert train_references(out, data=digits, recipe=SHORT, count=2).fingerprints == whole
    assert len(saved) == 4  # one epoch more, not two
    assert sorted(os.listdir(out)) == ["reference-0000.safetensors", "reference-0001.safetensors", MANIFEST]


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_killed_at_any_moment_it_goes_on(tmp_path, digits):
    # A process of its own imports everything once, then forks runs and kills each at a random moment.
    script = f"""
import os, signal, time
import doldrum as dd
from doldrum.references import train_references
from doldrum.seeds import rng
from doldrum.training import Recipe
digits = dd.load_dataset("digits:train").take(range(256))
train_references({str(tmp_path / "warm")!r}, data=digits, recipe={SHORT!r}, count=1)
for wait in rng(0, "kills").uniform(0, 0.3, size=8):
    child = os.fork()
    if not child:
        train_references({str(tmp_path / "stormy")!r}, data=digits, recipe={SHORT!r}, count=6)
        os._exit(0)
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    calm = train_references(tmp_path / "calm", data=digits, recipe=SHORT, count=6)
    stormy = train_references(tmp_path / "stormy", data=digits, recipe=SHORT, count=6)
    assert stormy.fingerprints == calm.fingerprints
    assert sorted(os.listdir(tmp_path / "stormy")) == [*calm.names, MANIFEST]


def test_what_a_kill_can_leave_at_its_worst_moments_is_no_hindrance(tmp_path, digits):
    out = tmp_path / "refs"
    out.mkdir()
    (out / f"{MANIFEST}.4711.part").write_text("{")  # killed before the manifest was renamed
    made = train_references(out, data=digits, recipe=SHORT, count=2)
    (out / f"{made.names[1]}.resume").write_text("killed before this was removed")
    (out / f"{made.names[1]}.4711.part").write_text("killed while this was written")
    (out / "mine.part").write_text("a download of mine")
    again = train_references(out, data=digits, recipe=SHORT, count=2)
    assert again.fingerprints == made.fingerprints
    assert sorted(os.listdir(out)) == ["mine.part", *made.names, MANIFEST]


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path, digits):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else; name another"):
        train_references(tmp_path, data=digits, recipe=SHORT, count=1)
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_models_of_other_data_recipe_or_seed_are_not_mixed(tmp_path, digits):
    out = tmp_path / "refs"
    made = train_references(out, data=digits, recipe=SHORT, count=1)
    other = replace(digits, labels=np.roll(np.asarray(digits.labels), 1))
    for wrong, told in (
        ({"data": other}, "data .*, which has changed since"),
        ({"recipe": "digits-mlp"}, "recipe '', not 'digits-mlp'"),
        ({"seed": 1}, "seed 0, not 1"),
    ):
        with pytest.raises(InputError, match=told):
            train_references(out, **({"data": digits, "recipe": SHORT, "count": 2} | wrong))
    renamed = replace(digits, name="the same by another name")
    assert train_references(out, data=renamed, recipe=SHORT, count=1).fingerprints == made.fingerprints


def test_one_at_a_time(tmp_path, digits):
    out = tmp_path / "refs"
    train_references(out, data=digits, recipe=SHORT, count=1)
    with locked(out), pytest.raises(InputError, match="one run at a time"):
        train_references(out, data=digits, recipe=SHORT, count=2)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"count": 0}, "as count=, got 0"),
        ({"count": 10_001}, "at most 10000 as count="),
        ({"seed": 0.5}, "as seed=, got 0.5"),
        ({"workers": 0}, "as workers, got 0"),
        ({"recipe": "no-such"}, "expected recipe= among"),
        ({"data": np.zeros((4, 1, 8, 8), np.uint8)}, "expected an ImageSet"),
        ({"data": dd.ImageSet(np.zeros((4, 1, 8, 8), np.uint8))}, "labels"),
        ({"recipe": replace(get_recipe("vit-small"), epochs=1), "data": dd.ImageSet(np.zeros((4, 1, 1, 1), np.uint8), [0, 1, 0, 1])},
         "for vit-small"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_said_before_there_is_a_folder(tmp_path, digits, wrong, told):
    with pytest.raises(InputError, match=told):
        train_references(tmp_path / "refs", **({"data": digits, "recipe": SHORT, "count": 1} | wrong))
    assert not (tmp_path / "refs").exists()
