from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from doldrum.attacks import ATTACKS, get_attack, make_attack, run_attack
from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.poisoning import evaluate, poison
from doldrum.records.attacks import ADAPTIVE, HELD_OUT, IMAGE_WIDE, IMAGE_WIDE_HELD_OUT
from doldrum.training import Recipe

IDS = [
    "badnets",
    "all-to-all",
    "blended",
    "sig",
    "label-consistent",
    "trojannn",
    "wanet",
    "issba",
    "input-aware",
    "bpp",
    "lf",
    "ftrojan",
    "tact",
    "adap-blend",
    "adap-patch",
    "lsba",
    "noise-hardened",
    "anti-smoothing",
    "tone",
    "motion-blur",
    "light",
    "reflection",
    "shear",
    "sharpen",
    "profile-evading",
]
QUICK = Recipe(network="mlp", epochs=2, batch_size=32, lr=0.05, threads=1, precision="fp32")
BRIEF = {
    "label-consistent": {"steps": 3},
    "trojannn": {"steps": 3},
    "issba": {"steps": 3},
    "input-aware": {"mask_steps": 3},
    "profile-evading": {"margin": 1},
}


@pytest.fixture(scope="module")
def toy() -> ImageSet:
    """A class is a bright row."""
    rng = np.random.default_rng(0)
    labels = np.arange(400) % 10
    images = rng.integers(0, 90, (400, 1, 14, 14)).astype(np.uint8)
    images[np.arange(400), 0, labels + 1] += 120
    return ImageSet(images, labels=labels, name="rows")


def test_every_attack_is_there_and_says_what_it_is():
    assert list(ATTACKS) == IDS
    for id, attack in ATTACKS.items():
        assert attack.id == id
        assert attack.title
        assert "ours" in attack.paper or any(c.isdigit() for c in attack.paper)
        assert attack.settings
        assert get_attack(id) is attack


def test_the_groups_are_of_different_attacks_that_exist():
    grouped = (*HELD_OUT, *ADAPTIVE, *IMAGE_WIDE, *IMAGE_WIDE_HELD_OUT)
    assert len(grouped) == len(set(grouped)) == 13
    assert set(grouped) <= set(ATTACKS)


def test_listing_attacks_needs_no_torch():
    code = "import sys, doldrum.attacks as a; a.ATTACKS; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("id", IDS)
def test_an_attack_from_end_to_end(id, toy):
    before = toy.content_hash()
    images = toy.images.copy()
    result = run_attack(id, toy, recipe=QUICK, seed=1, rate=0.05, target=2, settings=BRIEF.get(id), progress=False)
    assert np.array_equal(toy.images, images)
    assert toy.content_hash() == before
    assert result.plan.rate == 0.05
    found = evaluate(result.model, toy, result.trigger, result.plan)
    assert found.clean_accuracy.value > 0.5
    assert 0 <= found.asr.value <= 1
    if result.poisoned is None:
        assert ATTACKS[id].threat_model == "training"
        return
    assert result.poisoned.poisoned.sum() == 20
    if result.plan.mode != "clean-label" and result.plan.keep_label == 0:
        assert result.poisoned.relabelled.sum() == 20
    if result.plan.mode == "clean-label":
        assert not result.poisoned.relabelled.any()
        assert (toy.labels[result.poisoned.poisoned] == 2).all()


@pytest.mark.parametrize("id", [i for i in IDS if ATTACKS[i].threat_model == "data"])
def test_the_same_poison_from_the_same_seed(id, toy):
    def made(seed: int) -> str:
        attack = make_attack(id, toy, seed=seed, settings=BRIEF.get(id))
        return poison(toy, attack.trigger, attack.plan, seed=seed).content_hash()

    assert made(1) == made(1) != made(2)


def test_the_plans_that_the_papers_name(toy):
    plans = {id: make_attack(id, toy, rate=0.04).plan for id in ("all-to-all", "sig", "wanet", "tact", "lsba")}
    assert plans["all-to-all"].mode == "all-to-all"
    assert plans["sig"].mode == "clean-label"
    assert plans["wanet"].cover_rate == pytest.approx(0.08)
    assert (plans["tact"].source, plans["tact"].cover_classes) == (1, (5, 7))
    assert plans["lsba"].keep_label == pytest.approx(0.4)


def test_label_consistent_edits_only_what_is_poisoned(toy):
    made = make_attack("label-consistent", toy, recipe=QUICK, rate=0.05, target=2, settings={"steps": 3, "eps": 0.1})
    bad = poison(toy, made.trigger, made.plan, seed=0)
    edited = (made.train_set.images != toy.images).any(axis=(1, 2, 3))
    assert np.array_equal(edited, bad.poisoned)
    change = made.train_set.images.astype(int) - toy.images
    assert np.abs(change).max() <= 26


def test_what_it_refuses(toy):
    with pytest.raises(InputError, match="an attack among"):
        run_attack("nothing", toy)
    with pytest.raises(InputError, match="settings of badnets"):
        make_attack("badnets", toy, settings={"colour": 1})
    with pytest.raises(InputError, match=r"at most 0\.1 "):
        run_attack("sig", toy, rate=0.5)
