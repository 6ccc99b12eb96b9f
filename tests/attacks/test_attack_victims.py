"""Victims: trained once, found again by what decides them, refused where the data differ."""

import json

import numpy as np
import pytest

from doldrum.attacks import VictimSpec, get_victim
from doldrum.data import ImageSet, load_dataset
from doldrum.errors import InputError
from doldrum.training import Recipe, get_recipe

QUICK = Recipe(network="mlp", epochs=2, batch_size=64, lr=0.05, threads=1)


def spec(**more):
    return VictimSpec(**({"attack": "badnets", "data": "digits", "recipe": QUICK, "rate": 0.1} | more))


@pytest.mark.parametrize(
    "change",
    [{"attack": "blended"}, {"data": "other"}, {"rate": 0.2}, {"target": 1}, {"seed": 1}, {"settings": {"size": 2}},
     {"recipe": get_recipe(QUICK, epochs=3)}],
)  # fmt: skip
def test_whatever_decides_a_victim_changes_its_key(change):
    assert spec(**change).key != spec().key


def test_a_victim_is_trained_once(tmp_path):
    first = get_victim(spec(), cache=tmp_path)
    stamp = (tmp_path / f"{spec().key}.safetensors").stat().st_mtime_ns
    again = get_victim(spec(), cache=tmp_path)
    assert (tmp_path / f"{spec().key}.safetensors").stat().st_mtime_ns == stamp
    assert again.model.fingerprint == first.model.fingerprint
    assert (again.trigger, again.plan) == (first.trigger, first.plan)
    images = load_dataset("digits:test").images[:5]
    np.testing.assert_array_equal(again.trigger(images), first.trigger(images))


def test_a_clean_victim_has_no_trigger(tmp_path):
    clean = VictimSpec(data="digits", recipe=QUICK)
    for _ in range(2):
        found = get_victim(clean, cache=tmp_path)
        assert found.trigger is None
        assert found.plan is None


def test_a_kill_between_weights_and_record_trains_anew(tmp_path):
    first = get_victim(spec(), cache=tmp_path)
    (tmp_path / f"{spec().key}.json").unlink()
    assert get_victim(spec(), cache=tmp_path).model.fingerprint == first.model.fingerprint


def test_only_the_drafts_of_the_victim_itself_are_removed(tmp_path):
    for name in (f"{spec().key}.safetensors.4711.part", f"{spec(seed=1).key}.resume.4711.part"):
        (tmp_path / name).write_bytes(b"half")
    get_victim(spec(), cache=tmp_path)
    assert [file.name for file in tmp_path.glob("*.part")] == [f"{spec(seed=1).key}.resume.4711.part"]


def test_other_data_under_the_same_name_are_refused(tmp_path):
    get_victim(spec(), cache=tmp_path)
    digits = load_dataset("digits:train")
    other = ImageSet(digits.images[::2], labels=digits.labels[::2], class_names=digits.class_names)
    with pytest.raises(InputError, match="another set"):
        get_victim(spec(), other, cache=tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"trigger": None})])
def test_a_broken_record_is_named(tmp_path, text):
    (tmp_path / f"{spec().key}.json").write_text(text)
    with pytest.raises(InputError, match="delete this file"):
        get_victim(spec(), cache=tmp_path)


def test_unknown_settings_are_refused_before_any_work():
    with pytest.raises(InputError, match="expected settings of badnets"):
        spec(settings={"colour": 1})
    with pytest.raises(InputError, match="expected an attack"):
        spec(attack="badnet")
