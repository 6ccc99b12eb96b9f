"""One contract, run over every trigger of the table."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from trigger_specimens import SPECIMENS

from doldrum.errors import InputError
from doldrum.triggers import Trigger, trigger_from_dict

FORMS = {
    "at test": lambda t, x: t(x),
    "in training": lambda t, x: t.in_training(x, seed=3, rows=np.arange(len(x)) + 5),
    "as cover": lambda t, x: t.as_cover(x, seed=3, rows=np.arange(len(x)) + 5),
}


def images(channels: int = 1, *, n: int = 5, size: int = 28) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, channels, size, size), dtype=np.uint8)


@pytest.fixture(params=sorted(SPECIMENS))
def trigger(request: pytest.FixtureRequest) -> Trigger:
    return SPECIMENS[request.param]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(1, 28), (3, 32), (1, 8), (3, 28)])
def test_bounds_type_shape_and_no_edit_in_place(trigger, form, shape):
    for given in (images(shape[0], size=shape[1]), images(shape[0], size=shape[1]) / np.float32(255)):
        before = given.copy()
        out = FORMS[form](trigger, given)
        assert out.dtype == np.float32
        assert out.shape == given.shape
        assert out.min() >= 0
        assert out.max() <= 1
        assert np.array_equal(given, before)
        assert not np.shares_memory(out, given)


@pytest.mark.parametrize("form", FORMS)
def test_same_again_and_read_only_input(trigger, form):
    given = images()
    given.setflags(write=False)
    assert np.array_equal(FORMS[form](trigger, given), FORMS[form](trigger, given))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_result_depends_on_its_image_alone(trigger, channels):
    x = images(channels, n=7)
    whole = trigger(x)
    rows = np.arange(7) + 5
    trained = trigger.in_training(x, seed=3, rows=rows)
    for i in range(7):
        assert np.array_equal(trigger(x[i : i + 1])[0], whole[i])
        assert np.array_equal(trigger.in_training(x[i : i + 1], seed=3, rows=rows[i : i + 1])[0], trained[i])
    assert np.array_equal(trigger(x[::-1])[::-1], whole)


@pytest.mark.parametrize("form", FORMS)
def test_uint8_and_float_agree(trigger, form):
    given = images()
    assert np.array_equal(FORMS[form](trigger, given), FORMS[form](trigger, given.astype(np.float32) / np.float32(255)))


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_batch_stays_empty(trigger, form):
    assert FORMS[form](trigger, images()[:0]).shape == (0, 1, 28, 28)


def test_it_changes_something(trigger):
    x = images().astype(np.float32) / 255 * 0.5 + 0.2
    assert np.abs(trigger(x) - x).reshape(5, -1).max(axis=1).min() > 0.005


def test_json_and_back(trigger):
    back = trigger_from_dict(json.loads(json.dumps(trigger.to_dict())))
    assert back == trigger
    assert hash(back) == hash(trigger)
    assert np.array_equal(back(images()), trigger(images()))


def test_it_composes(trigger):
    both = trigger | SPECIMENS["patch"]
    assert np.array_equal(both(images()), SPECIMENS["patch"](trigger(images())))
    assert trigger_from_dict(both.to_dict()) == both


def test_strength(trigger):
    if trigger.strength is None:
        with pytest.raises(InputError, match="has none"):
            trigger.with_strength(0.5)
        return
    assert trigger.with_strength(trigger.strength) == trigger
    x = images() / np.float32(255) * 0.5 + np.float32(0.25)
    weak = trigger.with_strength(trigger.strength / 2)
    assert np.abs(weak(x) - x).mean() < np.abs(trigger(x) - x).mean()


def test_it_draws(trigger):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert trigger.plot(ax, images(3)[0]) is ax
    assert len(ax.images) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((1, 28, 28), np.float32), "N, C, H, W"),
        (np.zeros((1, 1, 28, 28), np.int64), "float images"),
        (np.full((1, 1, 28, 28), 1.5, np.float32), r"\[0, 1\]"),
        (np.full((1, 1, 28, 28), np.nan, np.float32), r"\[0, 1\]"),
        (np.zeros((1, 1, 0, 28), np.float32), "N, C, H, W"),
    ],
)
def test_it_refuses_what_is_not_images(trigger, given, message):
    with pytest.raises(InputError, match=message):
        trigger(given)


def test_rows_are_checked(trigger):
    with pytest.raises(InputError, match="one row number"):
        trigger.in_training(images(), seed=0, rows=[1])


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"name": "nothing", "settings": {}},
        {"name": "patch", "settings": {"colour": 1}},
        {"name": "patch", "settings": 3},
    ],
)
def test_a_record_that_is_none_is_refused(record):
    with pytest.raises(InputError, match="expected"):
        trigger_from_dict(record)
