"""Conformal p-values against a plain count and SciPy's distributions, and the promise by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from doldrum.errors import InputError
from doldrum.stats import conformal


def plain_p(cal, ties, score, tie):
    """The definition, one pair at a time."""
    worse = sum(1 for c, t in zip(cal, ties, strict=True) if c > score or (c == score and t >= tie))
    return (1 + worse) / (len(cal) + 1)


@pytest.mark.parametrize("levels", [3, 1000])
def test_p_values_are_the_plain_count(levels):
    rng = np.random.default_rng(levels)
    cal, new = rng.integers(levels, size=60) * 1.0, rng.integers(levels, size=80) * 1.0
    cal[:2], new[:2] = np.inf, np.inf
    cal_ties, ties = rng.random(60), rng.random(80)
    ties[:3] = cal_ties[:3]  # the same image in both
    new[2] = cal[2]
    expected = [plain_p(cal, cal_ties, s, t) for s, t in zip(new, ties, strict=True)]
    assert conformal.p_values(cal, new, calibration_ties=cal_ties, ties=ties).tolist() == expected
    back = conformal.p_values(cal[::-1], new[::-1], calibration_ties=cal_ties[::-1], ties=ties[::-1])
    assert back[::-1].tolist() == expected


@pytest.mark.parametrize("levels", [4, 10**9])
@pytest.mark.parametrize("groups", [1, 3])
def test_p_values_are_those_of_crepes(levels, groups):
    """An independent package; without smoothing it counts every tie against the input."""
    crepes = pytest.importorskip("crepes")
    rng = np.random.default_rng(levels + groups)
    cal, new = rng.integers(levels, size=200) * 1.0, rng.integers(levels, size=300) * 1.0
    cal_groups, new_groups = rng.integers(groups, size=200), rng.integers(groups, size=300)
    theirs = crepes.ConformalClassifier()
    theirs.fit(cal, bins=cal_groups)
    ours = conformal.p_values(
        cal, new, calibration_ties=np.ones(200), ties=np.zeros(300), calibration_groups=cal_groups, groups=new_groups
    )
    assert theirs.predict_p(new[:, None], bins=new_groups, smoothing=False)[:, 0].tolist() == ours.tolist()


def test_groups_are_calibrated_by_themselves():
    rng = np.random.default_rng(1)
    cal, new, cal_ties, ties = rng.random(50), rng.random(30), rng.random(50), rng.random(30)
    cal_groups, groups = rng.integers(3, size=50), rng.integers(4, size=30)
    p = conformal.p_values(cal, new, calibration_ties=cal_ties, ties=ties, calibration_groups=cal_groups, groups=groups)
    for i in range(30):
        its = cal_groups == groups[i]
        assert p[i] == plain_p(cal[its], cal_ties[its], new[i], ties[i])
    assert (p[groups == 3] == 1).all()


@pytest.mark.parametrize("fpr", [0.01, 0.05, 0.07, 0.29])
def test_flags_by_threshold_and_by_p_value_agree(fpr):
    rng = np.random.default_rng(2)
    for n in (99, 500, 997):
        cal, new = rng.normal(size=n), rng.normal(size=400)
        p = conformal.p_values(cal, new, calibration_ties=np.zeros(n), ties=np.zeros(400))
        k = conformal.num_allowed(n, fpr)
        assert ((new > conformal.threshold(cal, fpr)) == (p <= k / (n + 1))).all()


def test_realised_rate_with_many_ties_is_the_promised_distribution():
    """1,000 calibration sets of a score with 4 values: the realised rate is Beta, flags are beta-binomial."""
    rng = np.random.default_rng(3)
    n, m, fpr = 199, 300, 0.05
    flags = np.array(
        [
            (
                conformal.p_values(
                    rng.integers(4, size=n), rng.integers(4, size=m), calibration_ties=rng.random(n), ties=rng.random(m)
                )
                <= fpr
            ).sum()
            for _ in range(1000)
        ]
    )
    k = conformal.num_allowed(n, fpr)
    expected = stats.betabinom(m, k, n + 1 - k)
    assert abs(flags.mean() - expected.mean()) < 4 * expected.std() / np.sqrt(1000)
    assert flags.var() == pytest.approx(expected.var(), rel=0.2)
    low, high = conformal.flags_interval(m, n, fpr)
    assert (flags < low).mean() < 0.04
    assert (flags > high).mean() < 0.04
    assert (flags > conformal.flags_limit(m, n, fpr)).mean() == pytest.approx(0.05, abs=0.025)


def test_limit_over_groups_is_that_of_the_sum():
    rng = np.random.default_rng(4)
    m, n, fpr = [200, 50, 0, 30], [300, 120, 200, 10], 0.02
    draws = sum(
        stats.betabinom.rvs(a, k, b + 1 - k, size=200_000, random_state=rng)
        for a, b in zip(m, n, strict=True)
        if (k := conformal.num_allowed(b, fpr))
    )
    limit = conformal.flags_limit(m, n, fpr)
    assert (draws > limit).mean() <= 0.052
    assert (draws > limit - 1).mean() > 0.048


def test_sizes():
    for fpr in (0.5, 0.3, 0.1, 0.05, 0.01, 0.001, 1 / 3):
        n = conformal.needed_size(fpr)
        assert conformal.num_allowed(n, fpr) == 1
        assert conformal.num_allowed(n - 1, fpr) == 0
    with pytest.raises(
        InputError,
        match=r"at least 99 calibration inputs .* got 50; add clean inputs, or ask for a rate of at least 0.02",
    ):
        conformal.check_size(50, 0.01)
    with pytest.raises(InputError, match="false-positive rate in"):
        conformal.num_allowed(50, 0.0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: conformal.check_size(-1, 0.01), "whole number of at least 0 as the number of calibration inputs, got -1"),
        (lambda: conformal.check_size("a", 0.01), "number of calibration inputs, got 'a'"),
        (lambda: conformal.num_allowed(50, "a"), r"false-positive rate in \(0, 1\), got 'a'"),
        (lambda: conformal.needed_size("a"), "false-positive rate in"),
        (lambda: conformal.smallest_fpr(-1), "number of calibration inputs, got -1"),
        (lambda: conformal.smallest_fpr_text(0), "at least 1 as the number of calibration inputs, got 0"),
        (lambda: conformal.realised_fpr(1.5, 0.1), "number of calibration inputs, got 1.5"),
        (lambda: conformal.flags_interval(-1, 99, 0.1), "the number of inputs, got -1"),
        (lambda: conformal.flags_limit([5, 5], [99], 0.1), "m and n of the same length.*got 2 and 1"),
        (lambda: conformal.flags_limit(-5, 99, 0.1), "the number of inputs, got -5"),
        (lambda: conformal.flags_limit(5, 99, 2), "false-positive rate in"),
        (lambda: conformal.fewest_discoveries(5, -1, 0.1), "number of calibration inputs, got -1"),
        (lambda: conformal.fewest_discoveries(5, 9, "a"), "false-discovery rate in"),
        (lambda: conformal.benjamini_hochberg(["a"], fdr=0.1, num_calibration=9), "a list of p-values, got list"),
        (lambda: conformal.benjamini_hochberg([np.nan], fdr=0.1, num_calibration=9), "p-values without NaN, got 1"),
        (lambda: conformal.num_discoveries([0.1], [1, 2], fdr=0.1, num_calibration=9), "one count per p-value"),
        (lambda: conformal.threshold([np.nan] * 99, 0.1), "calibration scores without NaN, got 99"),
        (lambda: conformal.threshold([[1.0]], 0.1), r"got shape \(1, 1\)"),
        (lambda: conformal.p_values([1], ["a"], calibration_ties=[0], ties=[0]), "a list of scores"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_named(call, says):
    with pytest.raises(InputError, match=says):
        call()


def test_benjamini_hochberg_is_scipys():
    rng = np.random.default_rng(5)
    for _ in range(50):
        p = np.concatenate([rng.random(40), rng.random(10) * 0.01])
        expected = stats.false_discovery_control(p) <= 0.1
        assert (conformal.benjamini_hochberg(p, fdr=0.1, num_calibration=10**6).flags == expected).all()


def test_a_set_out_of_reach_is_said():
    found = conformal.benjamini_hochberg(np.full(10_000, 0.5), fdr=0.1, num_calibration=500)
    assert len(found) == 0
    assert "at least 200 of 10000 inputs would have to stand out together" in found.note
    p = np.r_[np.full(199, 1 / 501), np.full(9801, 0.5)]
    assert len(conformal.benjamini_hochberg(p, fdr=0.1, num_calibration=500)) == 0
    p[199] = 1 / 501
    assert len(conformal.benjamini_hochberg(p, fdr=0.1, num_calibration=500)) == 200


def test_tie_breakers_are_uniform_and_follow_the_image_alone():
    images = np.random.default_rng(6).integers(256, size=(2000, 1, 3, 3)).astype(np.uint8)
    ties = conformal.tie_breakers(images, seed=1)
    assert stats.kstest(ties, "uniform").pvalue > 0.001
    order = np.random.default_rng(7).permutation(2000)
    assert (conformal.tie_breakers(images[order], seed=1) == ties[order]).all()
    assert abs(np.corrcoef(ties, conformal.tie_breakers(images, seed=2))[0, 1]) < 0.1


def test_nan_is_refused():
    with pytest.raises(InputError, match="without NaN, got 1"):
        conformal.p_values([1.0, np.nan], [1.0], calibration_ties=[0, 0], ties=[0])


def test_discoveries_by_counts_are_those_of_every_input_by_itself() -> None:
    rng = np.random.default_rng(0)
    for n, fdr in ((99, 0.1), (499, 0.1), (999, 0.3)):
        for attacked in (0, 5, 60):
            p = np.concatenate([rng.integers(1, n + 2, 400), rng.integers(1, 4, attacked)]) / (n + 1)
            whole = conformal.benjamini_hochberg(p, fdr=fdr, num_calibration=n)
            values, counts = np.unique(p, return_counts=True)
            mixed = rng.permutation(len(values))
            found = conformal.num_discoveries(values[mixed], counts[mixed], fdr=fdr, num_calibration=n)
            by_hand = max((j for j, x in enumerate(np.sort(p), 1) if x <= fdr * j / len(p) + 1e-12), default=0)
            assert found == (len(whole), whole.note)
            assert found[0] == by_hand


def test_the_limit_of_very_many_inputs_is_a_little_high(monkeypatch) -> None:
    for m, n in (([100_000], [500]), ([60_000, 40_000], [300, 99])):
        exact = conformal.flags_limit(m, n, 0.01)
        monkeypatch.setattr(conformal, "_EXACT", 10_000)
        scaled = conformal.flags_limit(m, n, 0.01)
        monkeypatch.undo()
        assert exact <= scaled <= 1.02 * exact
    # With very many inputs the share that is flagged is the calibration set's own rate. Memory for a billion is not taken.
    rate = stats.beta.ppf(0.95, 5, 496)
    assert rate <= conformal.flags_limit(10**9, 500, 0.01) / 1e9 <= 1.001 * rate
