from __future__ import annotations

import numpy as np
import pytest
from scipy.special import xlogy
from scipy.stats import norm

import doldrum as dd
from doldrum.errors import InputError
from doldrum.responses import NOT_TAKEN
from doldrum.stats.sequences import entropy_decision

PROBE = dd.probes.Gaussian([0.1, 0.3], draws=150, seed=3)
RULE = dd.until.Decided(0.3, alpha=0.05)


def edge(x: np.ndarray) -> np.ndarray:
    return (x[:, 0, 0, 0] > 0.5).astype(int)


@pytest.fixture(scope="module")
def line() -> dd.Classifier:
    """Label 1 right of .5: with noise sigma, p_1 = Phi((x - .5) / sigma), so W is known."""
    return dd.as_classifier(edge, input_shape=(1, 1, 1), num_classes=2, outputs="labels")


def true_w(x: np.ndarray, sigma: float) -> np.ndarray:
    p = norm.cdf((x.ravel() - 0.5) / sigma)
    return -(xlogy(p, p) + xlogy(1 - p, 1 - p)) / np.log(2)


def test_draws_are_a_prefix_of_the_full_measurement(clf, images) -> None:
    full, some = dd.measure(clf, images, PROBE), dd.measure(clf, images, PROBE, until=RULE)
    taken = some.draws != NOT_TAKEN
    assert np.array_equal(some.labels, full.labels)
    assert np.array_equal(some.draws[taken], full.draws[taken])
    n = taken.sum(axis=2)
    assert np.array_equal(taken, np.arange(150) < n[..., None])
    assert n.min() < 150


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_an_input_takes_as_many_draws_whatever_is_measured_beside_it(clf, images, batch_size) -> None:
    whole = dd.measure(clf, images, PROBE, until=RULE)
    again = dd.measure(clf, images[::-1].copy(), PROBE, until=RULE, batch_size=batch_size)
    assert np.array_equal(again.draws[::-1], whole.draws)
    assert again.ids == tuple(str(i) for i in range(20))


def test_it_stops_at_the_first_look_that_decides(clf, images) -> None:
    r = dd.measure(clf, images, PROBE, until=RULE)
    stopped = RULE.read(r)
    for i in range(len(images)):
        for c in range(2):
            n = int(stopped.draws[i, c])
            looks = [j for j in (*range(16, 150, 16), 150) if j <= n]
            counts = np.stack([np.bincount(r.draws[i, c, :j], minlength=4) for j in looks])
            found = entropy_decision(counts, 0.3, alpha=0.05, base=np.full(len(looks), r.labels[i]))
            assert (found[:-1] == 0).all()
            assert found[-1] == stopped.decision[i, c]
            assert found[-1] != 0 or n == 150


def test_decisions_are_right_at_the_stated_rate_and_cost_less(line) -> None:
    sigma, threshold, alpha = 0.1, 0.4, 0.1
    x = np.random.default_rng(0).random((40, 1, 1, 1)).astype(np.float32)
    w = true_w(x, sigma)
    rule = dd.until.Decided(threshold, alpha=alpha)
    wrong, draws = [], []
    for seed in range(6):
        stopped = rule.read(dd.measure(line, x, dd.probes.Gaussian([sigma], draws=300, seed=seed), until=rule))
        wrong.append(stopped.decision[:, 0] == np.where(w > threshold, -1, 1))
        draws.append(stopped.draws.mean())
    assert np.mean(wrong) <= alpha
    assert np.mean(draws) < 150


def test_width_stops_when_limits_are_close_enough(line) -> None:
    x = np.array([0.9, 0.55]).reshape(2, 1, 1, 1)
    rule = dd.until.Width(0.3, alpha=0.05)
    stopped = rule.read(dd.measure(line, x, dd.probes.Gaussian([0.1], draws=1000, seed=0), until=rule))
    assert ((stopped.upper - stopped.lower <= 0.3) | (stopped.draws == 1000)).all()
    assert stopped.draws[0, 0] < 150
    assert (stopped.lower[:, 0] <= true_w(x, 0.1)).all()
    assert (stopped.upper[:, 0] >= true_w(x, 0.1)).all()


def test_the_base_labels_probability_can_be_decided_too(line) -> None:
    x = np.array([0.9, 0.51]).reshape(2, 1, 1, 1)
    rule = dd.until.Decided(0.8, alpha=0.05, of="base")
    stopped = rule.read(dd.measure(line, x, dd.probes.Gaussian([0.1], draws=500, seed=0), until=rule))
    assert stopped.decision.ravel().tolist() == [1, -1]


def test_rows_that_depend_on_their_neighbours_get_tiles_of_their_own(images) -> None:
    """Its answers change with what shares a batch: an input's must not change with the inputs beside it."""
    mixing = dd.as_classifier(
        lambda x: (x - x.mean(axis=0)).reshape(len(x), -1)[:, :3], input_shape=(1, 8, 8), num_classes=3
    )
    whole = dd.measure(mixing, images, PROBE, until=RULE)
    part = dd.measure(mixing, images[4:6], PROBE, until=RULE)
    assert np.array_equal(part.draws, whole.draws[4:6])


@pytest.mark.parametrize(
    "call",
    [
        lambda clf, x: dd.until.Decided(1.5),
        lambda clf, x: dd.until.Decided(0.2, alpha=0),
        lambda clf, x: dd.until.Decided(0.2, of="x"),  # pyright: ignore[reportArgumentType]
        lambda clf, x: dd.until.Width(0),
        lambda clf, x: dd.until.Decided("0.2"),  # pyright: ignore[reportArgumentType]
        lambda clf, x: dd.until.Decided(0.2, alpha=1e-300),
        lambda clf, x: dd.until.Width(None),  # pyright: ignore[reportArgumentType]
        lambda clf, x: dd.until.Width(float("nan")),
        lambda clf, x: dd.measure(clf, x, PROBE, until=0.2),
        lambda clf, x: dd.measure(clf, x, PROBE, until=RULE, readouts=["entropy"]),
    ],
)
def test_what_makes_no_sense_is_refused(call, clf, images) -> None:
    with pytest.raises(InputError, match="expected"):
        call(clf, images)
