"""When the time is over, and how many draws fit it."""

from __future__ import annotations

import pytest

from doldrum.confined.scanning import budget as timing
from doldrum.confined.scanning.budget import LADDER, fitting_step, forwards_of


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still but for what a test adds to it."""
    time = {"now": 100.0}
    monkeypatch.setattr(timing, "clock", lambda: time["now"])
    return time


def test_a_deadline_is_counted_from_when_it_is_made(clock):
    ends, never = timing.Deadline(10.0), timing.Deadline(None)
    clock["now"] += 4
    assert (ends.left, ends.over) == (6.0, False)
    clock["now"] += 6
    assert (ends.left, ends.over) == (0.0, True)
    assert (never.left, never.over) == (None, False)


@pytest.mark.parametrize("budget", [30.0, 60.0, 120.0, 1000.0])
def test_the_largest_step_that_fits_is_taken(budget):
    step, expected = fitting_step(1e-3, budget, inputs=1000, input_shape=(3, 32, 32))
    assert expected == pytest.approx(1e-3 * 1000 * forwards_of((3, 32, 32), step))
    assert expected <= budget
    larger = [s for s in LADDER if s > step]
    assert all(forwards_of((3, 32, 32), s) > 0.85 * budget for s in larger)
    later = fitting_step(1e-3, budget + 40, inputs=1000, input_shape=(3, 32, 32), spent=40.0)
    assert later == (step, expected)
