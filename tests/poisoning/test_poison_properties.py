"""Poisoning never touches the wrong labels, classes or pixels: properties over many sets and plans."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.poisoning import PoisonPlan, poison
from doldrum.triggers import Patch

TRIGGER = Patch(size=1)


def make_set(n: int, classes: int, *, dtype: type = np.uint8, seed: int = 0) -> ImageSet:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 200, (n, 1, 3, 3)).astype(np.uint8)
    return ImageSet(
        images if dtype is np.uint8 else (images / np.float32(255)).astype(np.float32),
        labels=rng.integers(0, classes, n).astype(np.int64),
        class_names=tuple(f"class {k}" for k in range(classes)),
        name="made up",
    )


@st.composite
def plans(draw: st.DrawFn, classes: int) -> PoisonPlan:
    mode = draw(st.sampled_from(["all-to-one", "all-to-all", "source-specific", "clean-label"]))
    share = st.floats(0, 1, allow_nan=False)
    target = draw(st.integers(0, classes - 1))
    source = None
    if mode == "source-specific":
        source = draw(st.integers(0, classes - 1).filter(lambda k: k != target))
    cover_rate = draw(share)
    covers = draw(st.sets(st.integers(0, classes - 1).filter(lambda k: k != source))) if cover_rate else ()
    keep = 0.0 if mode == "clean-label" else draw(share)
    return PoisonPlan(
        rate=draw(share), target=target, mode=mode, source=source, cover_classes=tuple(covers), cover_rate=cover_rate,
        keep_label=keep,
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(data=st.data(), n=st.integers(1, 60), classes=st.integers(2, 5), seed=st.integers(0, 2**40))
def test_who_is_poisoned_and_what_becomes_of_them(data, n, classes, seed):
    clean = make_set(n, classes, seed=seed)
    plan = data.draw(plans(classes))
    images, labels = clean.images.copy(), clean.labels.copy()
    try:
        bad = poison(clean, TRIGGER, plan, seed=seed)
    except InputError:
        assume(False)
    # The set that was given is as it was.
    assert np.array_equal(clean.images, images)
    assert np.array_equal(clean.labels, labels)
    assert np.array_equal(bad.original_labels, labels)
    # Exact counts, no sample in both roles.
    assert bad.poisoned.sum() == int(np.floor(plan.rate * n + 0.5))
    assert bad.cover.sum() == int(np.floor(plan.cover_rate * n + 0.5))
    assert not (bad.poisoned & bad.cover).any()
    # Classes.
    if plan.mode == "all-to-one":
        assert (labels[bad.poisoned] != plan.target).all()
    if plan.mode == "source-specific":
        assert (labels[bad.poisoned] == plan.source).all()
        assert (labels[bad.cover] != plan.source).all()
    if plan.mode == "clean-label":
        assert (labels[bad.poisoned] == plan.target).all()
    if plan.cover_classes:
        assert np.isin(labels[bad.cover], plan.cover_classes).all()
    # Labels: only poisoned ones change, to the attacker's; cover samples keep theirs.
    assert not (bad.relabelled & ~bad.poisoned).any()
    changed = bad.relabelled
    wanted = (labels + 1) % classes if plan.mode == "all-to-all" else np.full(n, plan.target)
    assert np.array_equal(bad.labels[changed], wanted[changed])
    kept = 0 if plan.mode == "clean-label" else int(plan.keep_label * bad.poisoned.sum() + 0.5)
    if plan.mode != "clean-label":
        assert changed.sum() == bad.poisoned.sum() - kept
    # Pixels: the trigger on poisoned and cover samples, nothing elsewhere.
    touched = bad.poisoned | bad.cover
    assert np.array_equal(bad.images[~touched], images[~touched])
    assert (bad.images[touched][:, 0, 2, 2] == 255).all()
    assert bad.images.dtype == np.uint8
    assert bad.images.shape == images.shape


@settings(max_examples=40, deadline=None)
@given(low=st.floats(0, 0.4), high=st.floats(0, 0.4), seed=st.integers(0, 1000))
def test_a_lower_rate_poisons_a_subset(low, high, seed):
    low, high = sorted((low, high))
    clean = make_set(100, 3)
    assume(low == 0 or low >= 0.01)
    small = poison(clean, TRIGGER, PoisonPlan(rate=low), seed=seed)
    large = poison(clean, TRIGGER, PoisonPlan(rate=high if high >= 0.01 else 0), seed=seed)
    assert not (small.poisoned & ~large.poisoned).any()


def test_rate_zero_gives_the_clean_set():
    clean = make_set(20, 3)
    bad = poison(clean, TRIGGER, PoisonPlan(rate=0))
    assert np.array_equal(bad.images, clean.images)
    assert np.array_equal(bad.labels, clean.labels)
    assert not bad.poisoned.any()
    assert not np.shares_memory(bad.images, clean.images)


def test_one_sample_and_less_than_one():
    clean = make_set(1000, 3)
    assert poison(clean, TRIGGER, PoisonPlan(rate=1 / 1000)).poisoned.sum() == 1
    with pytest.raises(InputError, match=r"at least 0\.001"):
        poison(clean, TRIGGER, PoisonPlan(rate=0.0004))


def test_more_than_a_class_holds_names_the_most_there_is():
    clean = make_set(100, 4)
    there = int((clean.labels == 2).sum())
    with pytest.raises(InputError, match=rf"at most {there / 100:g} \({there} of 100"):
        poison(clean, TRIGGER, PoisonPlan(rate=0.9, target=2, mode="clean-label"))
    most = poison(clean, TRIGGER, PoisonPlan(rate=there / 100, target=2, mode="clean-label"))
    assert most.poisoned.sum() == there
    with pytest.raises(InputError, match="cover_rate of at most"):
        poison(clean, TRIGGER, PoisonPlan(rate=0.1, cover_rate=0.95))


def test_a_class_that_the_set_lacks():
    with pytest.raises(InputError, match="below 3"):
        poison(make_set(10, 3), TRIGGER, PoisonPlan(rate=0.1, target=3))


def test_float_images_stay_float():
    bad = poison(make_set(30, 3, dtype=np.float32), TRIGGER, PoisonPlan(rate=0.2))
    assert bad.images.dtype == np.float32
    assert (bad.images[bad.poisoned][:, 0, 2, 2] == 1).all()


def test_content_hash_tells_sets_apart():
    clean = make_set(50, 3)
    one, same = (poison(clean, TRIGGER, PoisonPlan(rate=0.2), seed=1) for _ in range(2))
    other = poison(clean, TRIGGER, PoisonPlan(rate=0.2), seed=2)
    assert one.content_hash() == same.content_hash() != other.content_hash()


def test_the_same_set_in_another_process():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_poison_properties as t\n"
        "print(t.poison(t.make_set(50, 3), t.TRIGGER, t.PoisonPlan(rate=0.2, cover_rate=0.1), seed=9).content_hash())"
    )
    here = str(__import__("pathlib").Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", code, here], capture_output=True, text=True, check=True)
    mine = poison(make_set(50, 3), TRIGGER, PoisonPlan(rate=0.2, cover_rate=0.1), seed=9)
    assert done.stdout.strip() == mine.content_hash()


@pytest.mark.parametrize(
    "fields",
    [
        {"rate": 1.5},
        {"rate": float("nan")},
        {"rate": 0.1, "target": -1},
        {"rate": 0.1, "mode": "some-to-none"},
        {"rate": 0.1, "source": 1},
        {"rate": 0.1, "mode": "source-specific"},
        {"rate": 0.1, "mode": "source-specific", "source": 0},
        {"rate": 0.1, "mode": "source-specific", "source": 1, "cover_classes": (1,), "cover_rate": 0.1},
        {"rate": 0.1, "cover_classes": (1,)},
        {"rate": 0.1, "mode": "clean-label", "keep_label": 0.3},
    ],
)
def test_a_plan_is_checked_when_made(fields):
    with pytest.raises(InputError, match="expected"):
        PoisonPlan(**fields)


def test_plan_to_json_and_back():
    plan = PoisonPlan(rate=0.1, mode="source-specific", source=1, cover_classes=(5, 7), cover_rate=0.1)
    import json

    assert PoisonPlan.from_dict(json.loads(json.dumps(plan.to_dict()))) == plan


def test_a_set_without_labels_and_one_of_sixteen_bits():
    images = np.full((4, 1, 3, 3), 65535 // 2, dtype=np.uint16)
    with pytest.raises(InputError, match="with labels"):
        poison(ImageSet(images), TRIGGER, PoisonPlan(rate=0.5))
    bad = poison(ImageSet(images, labels=[1, 1, 1, 0]), TRIGGER, PoisonPlan(rate=0.25))
    assert bad.images.dtype == np.float32
    assert bad.images[0, 0, 0, 0] == pytest.approx(0.5, abs=1e-4)


def test_a_poisoned_set_is_an_image_set():
    bad = poison(make_set(20, 3), TRIGGER, PoisonPlan(rate=0.2))
    assert isinstance(bad, ImageSet)
    assert bad.take([1, 2]).ids == ("1", "2")
    assert bad.num_classes == 3
