"""Every method: what it found can be made again, changes only what it says, and smaller levels are smaller."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.fft import dctn

from doldrum.explanations.methods.all import METHODS
from doldrum.explanations.methods.cosines import cosines
from doldrum.explanations.methods.region import Region, Regions
from doldrum.explanations.methods.shared import Sum, resemblance, shared_part
from doldrum.records.explanations import KINDS
from doldrum.triggers import trigger_from_dict

RNG = np.random.default_rng(0)
CLEAN = RNG.uniform(0, 1, (40, 3, 12, 20)).astype(np.float32)
IMAGES = RNG.uniform(0, 1, (6, 3, 12, 20)).astype(np.float32)


def test_the_record_knows_every_kind():
    assert {m.kind for m in METHODS} == set(KINDS)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.kind)
def test_a_method_keeps_its_contract(method):
    images = IMAGES if method.together else IMAGES[:1]
    before = CLEAN.copy()
    found = method.find(images, CLEAN, lambda ones: np.array([one(CLEAN[:2]).mean() for one in ones]))
    assert [one.level for one in found] == list(range(len(method.levels)))
    assert list(method.levels) == sorted(method.levels, reverse=True)
    changes = []
    for one in found:
        again = method.again(images, CLEAN, one.level, one.where())
        made = one(CLEAN)
        assert made.dtype == np.float32
        assert made.shape == CLEAN.shape
        assert made.min() >= 0
        assert made.max() <= 1
        assert np.array_equal(made, again(CLEAN))
        assert np.array_equal(one(CLEAN[3:5]), made[3:5])
        changes.append(float(((made - CLEAN) ** 2).mean()))
        assert one.size == again.size
        assert np.array_equal(trigger_from_dict(one.trigger().to_dict())(CLEAN), made)
    assert np.array_equal(CLEAN, before)
    assert changes[-1] < changes[0]


def test_a_trigger_holds_nothing_but_what_is_pasted():
    trigger = Region(0, IMAGES[0], top=2, left=5, height=3, width=4).trigger()
    assert np.array_equal(trigger.pattern[:, 2:5, 5:9], IMAGES[0][:, 2:5, 5:9])
    assert np.count_nonzero(trigger.pattern) == np.count_nonzero(trigger.mask) * 3 == 3 * 3 * 4


def test_a_change_beyond_the_range_of_pixels_is_a_trigger_too():
    change = np.array([[[-3.0, 0.25, 3.0]]], np.float32)
    images = np.array([[[[0.5, 0.5, 0.5]]], [[[1.0, 0.9, 0.0]]]], np.float32)
    assert (
        Sum(0, change).trigger()(images).tolist()
        == Sum(0, change)(images).tolist()
        == [[[[0, 0.75, 1]]], [[[0, 1, 1]]]]
    )


def test_cosines_are_scipys():
    x = RNG.standard_normal((5, 7))
    assert np.allclose(cosines(5) @ x @ cosines(7).T, dctn(x, norm="ortho"), atol=1e-5)


@pytest.mark.parametrize("place", [(0, 0), (17, 5), (25, 25), (11, 20)])
def test_a_patch_of_three_pixels_is_found_wherever_it_is(place):
    top, left = place
    image = np.zeros((1, 28, 28), np.float32)

    def covers(ones):
        return np.array([one.top <= top and one.left <= left and one.top + one.height >= top + 3
                         and one.left + one.width >= left + 3 for one in ones])  # fmt: skip

    method = Regions()
    found = method.find(image[None], image[None], lambda ones: covers(ones).astype(float))
    fine = [one for one in found if covers([one])[0]]
    smallest = method.smaller(fine[-1], covers)
    assert smallest.where() == {"top": top, "left": left, "height": 3, "width": 3}
    assert fine[-1].height <= 7


def test_a_region_is_pasted_at_its_place_alone():
    made = Region(0, IMAGES[0], top=2, left=3, height=4, width=5)(CLEAN)
    changed = (made != CLEAN).any(axis=(0, 1))
    assert changed[2:6, 3:8].all()
    assert changed.sum() == 20


def test_what_images_share_is_found_in_them_and_not_in_others():
    part = np.zeros((1, 10, 10), np.float32)
    part[0, 4] = 0.15
    clean, others, fresh = RNG.uniform(0.2, 0.7, (3, 200, 1, 10, 10)).astype(np.float32)
    found = shared_part(others + part, clean)
    assert np.corrcoef(found.ravel(), part.ravel())[0, 1] > 0.95
    with_it, without = resemblance(fresh + part, found, clean), resemblance(fresh, found, clean)
    assert np.mean(with_it[:, None] > without) > 0.95
    nothing = shared_part(others[:20], clean)
    assert np.sqrt((nothing**2).mean()) < 0.03
