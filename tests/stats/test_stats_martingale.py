"""The conformal martingale: fair over all orders of the scores, alike however a stream is cut, and its error probability."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from doldrum.errors import InputError
from doldrum.stats.martingale import ConformalMartingale, even_cells, spike_bets, tilt_bets

BETS = np.array([[1.0, 3.0], [5.0, 0.2], [1.0, 1.0]])


def path_of(cells, bets, bins, **more):
    return ConformalMartingale(cells, bets, limit=100, **more).update(bins)


def test_it_is_fair_over_all_orders_of_the_scores():
    """No formula of the urn here: each of 8! orders of 4 calibration and 4 stream scores is as likely as any other."""
    cells = [2, 1, 2]
    bets = [[1.0, 4.0, 0.5], [3.0, 1.0, 0.1]]
    which = np.repeat(np.arange(3), cells)
    seen: dict[tuple[int, ...], int] = {}
    for order in itertools.permutations(range(8)):
        held = np.sort(order[:4])
        bins = tuple(int(which[np.searchsorted(held, x)]) for x in order[4:])
        seen[bins] = seen.get(bins, 0) + 1
    assert len(seen) == 3**4
    paths = np.exp([path_of(cells, bets, bins) for bins in seen])
    mean = np.average(paths, axis=0, weights=list(seen.values()))
    np.testing.assert_allclose(mean, 1.0, rtol=1e-12)
    assert paths.std(axis=0).min() > 0.05


def test_scores_of_a_part_of_the_cells_are_fair_by_themselves_whenever_they_come():
    """The two martingales of a watch: a score beyond the last calibration score is for one, the others are for the other."""
    seen: dict[tuple[int, ...], int] = {}
    for order in itertools.permutations(range(7)):
        cells = tuple(np.searchsorted(np.sort(order[:3]), order[3:]).tolist())
        seen[cells] = seen.get(cells, 0) + 1
    both = []
    for found in map(np.array, seen):
        one = path_of([1, 3], [[5.0, 1.0]], (found != 0).astype(int))
        other = path_of([1, 2], [[1.0, 3.0]], (found[found > 0] > 1).astype(int))
        both.append(np.exp([one[-1], other[-1] if len(other) else 0.0]))
    one, other = np.array(both).T
    for capital in (one, other, one * other):
        assert np.average(capital, weights=list(seen.values())) == pytest.approx(1, rel=1e-12)
        assert capital.std() > 0.05


def slowly(cells, bets, bins):
    """Every gambler and every time to begin by itself, by the formulas of the docstrings."""
    capital = np.zeros((len(bins) + 1, len(bins)))
    first = np.array(cells) / sum(cells)
    start = [0.5 * (1 + t / 1000) ** -0.25 for t in range(len(bins) + 1)]
    for begin in range(len(bins)):
        share = (start[begin] - start[begin + 1]) + (0.5 if begin == 0 else 0)
        for row, moving in itertools.product(bets, (True, False)):
            mine, urn = share / (2 * len(bets)), list(map(float, cells))
            for t, b in enumerate(bins):
                p = np.array(urn) / sum(urn)
                if t >= begin:
                    q = row * (p if moving else first)
                    mine *= (q / q.sum())[b] / p[b]
                capital[begin, t] += mine
                urn[b] += 1
    waiting = [start[t + 1] for t in range(len(bins))]
    # Before a gambler begins its share is still waiting.
    return [math.log(sum(capital[g, t] for g in range(t + 1)) + waiting[t]) for t in range(len(bins))]


def test_it_is_the_mean_over_gamblers_and_times_to_begin():
    bins = np.random.default_rng(0).integers(0, 2, 12)
    np.testing.assert_allclose(path_of([3, 2], BETS, bins), slowly([3, 2], BETS, bins), rtol=1e-10)


def test_it_is_alike_however_the_stream_is_cut_and_goes_on_from_its_state():
    cells = np.array([[4, 4, 3], [2, 2, 1]])
    bets = np.stack([tilt_bets(c) for c in cells])
    chance = np.random.default_rng(0)
    bins, groups = chance.integers(1, 3, 9000), chance.integers(0, 2, 9000)
    whole = ConformalMartingale(cells, bets, limit=50)
    path = whole.update(bins, groups)
    cut = ConformalMartingale(cells, bets, limit=50)
    found = []
    for part in np.split(np.arange(9000), [1, 2, 700, 4096, 4097, 8999]):
        found.append(cut.update(bins[part], groups[part]))
        state = json.loads(json.dumps(cut.state()))
        cut = ConformalMartingale(cells, bets, limit=50)
        cut.restore(state)
    np.testing.assert_allclose(np.concatenate(found), path, rtol=1e-9, atol=1e-9)
    assert whole.alarm > 0
    assert (cut.alarm, cut.since, cut.count) == (whole.alarm, whole.since, 9000)
    assert cut.update([]).tolist() == []


def ranks(chance, n, length):
    """The rank of each of `length` new scores among n others, 0 = the highest, of continuous scores."""
    held = np.sort(chance.random(n))
    return n - np.searchsorted(held, chance.random(length))


@pytest.mark.parametrize("kind", ["tilt", "spike"])
def test_its_error_probability_holds_and_that_of_uniform_p_values_does_not(kind):
    n, length, runs, alpha = 60, 3000, 60, 0.1
    cells = even_cells(n + 1, 10) if kind == "tilt" else np.array([1, 1, 4, n - 5])
    bets = tilt_bets(cells)[::3] if kind == "tilt" else spike_bets(cells)
    ours = naive = 0
    for run in range(runs):
        bins = np.searchsorted(np.cumsum(cells), ranks(np.random.default_rng(run), n, length), side="right")
        urn = ConformalMartingale(cells, bets, limit=1 / alpha)
        urn.update(bins)
        uniform = ConformalMartingale(cells * 1e12, bets, limit=1 / alpha)  # so large that the stream can't change it
        uniform.update(bins)
        ours += urn.alarm > 0
        naive += uniform.alarm > 0
    assert ours <= 12  # of 60 at 10%: more come with a probability below 1%
    assert naive > 18


def test_a_change_is_found_and_about_where_it_was():
    chance = np.random.default_rng(3)
    n, before = 1000, 5000
    cells = even_cells(n + 1, 10)
    held = np.sort(chance.normal(size=n))
    stream = np.concatenate([chance.normal(size=before), chance.normal(0.5, size=2000)])
    bins = np.searchsorted(np.cumsum(cells), n - np.searchsorted(held, stream), side="right")
    found = ConformalMartingale(cells, tilt_bets(cells), limit=100)
    path = found.update(bins, places=10 * (np.arange(len(bins)) + 1))
    assert found.alarm == 10 * (1 + int(np.argmax(path >= np.log(100))))
    assert 10 * before < found.alarm < 10 * (before + 400)
    assert 10 * (before - 100) < found.since < 10 * (before + 100)
    assert found.peak == path.max()


def test_bets_know_their_shapes():
    tilts = tilt_bets(even_cells(100, 10))
    assert len({tuple(t.round(9)) for t in tilts}) == len(tilts)
    assert not np.isclose(tilts, tilts[:, :1]).all(axis=1).any()
    # A trigger that takes a tenth of the inputs to the very first cell multiplies its probability from .01 to .109.
    spikes = spike_bets([1, 9, 90], (0.1,))
    np.testing.assert_allclose(spikes[0] * [0.01, 0.09, 0.9], [0.109, 0.081, 0.81])
    np.testing.assert_allclose(spikes @ [0.01, 0.09, 0.9], 1.0)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match=r"expected bets of shape \(1, K, 2\)"):
        ConformalMartingale([1, 1], [[1.0, 2.0, 3.0]], limit=100)
    with pytest.raises(InputError, match="bets > 0"):
        ConformalMartingale([1, 1], [[0.0, 1.0]], limit=100)
    with pytest.raises(InputError, match="limit above 1"):
        ConformalMartingale([1, 1], BETS, limit=0.5)
    m = ConformalMartingale([1, 0], BETS, limit=100)
    for bins in ([2], [-1], [1], [[0]]):
        with pytest.raises(InputError):
            m.update(bins)
    with pytest.raises(InputError):
        m.update([0, 0], [0])
    m.update([0])
    good = m.state()
    assert m.count == 1
    other = ConformalMartingale([1, 1, 1], np.ones((3, 3)), limit=100)
    for state in (
        None,
        {},
        {**good, "capital": "x"},
        {**good, "count": 2},
        {**good, "won": [math.nan] * 6},
        {**good, "alarm": -1},
    ):
        with pytest.raises(InputError, match="expected the state of a martingale"):
            m.restore(state)
    with pytest.raises(InputError, match="got the state of another martingale"):
        other.restore(good)
