from __future__ import annotations

import numpy as np
import pytest

import doldrum as dd
from doldrum.errors import InputError
from doldrum.profiles import Smoothness, mean_smoothness
from doldrum.responses import Responses


def test_w_is_the_entropy_of_the_counts_over_log_k() -> None:
    draws = np.array([[[0, 0, 0, 1], [0, 1, 2, 3]]])
    w = dd.smoothness(Responses(draws, np.array([0]), [0.1, 0.2], 4))
    expected = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25)) / np.log(4)
    assert w.value[0] == pytest.approx([expected, 1.0])
    assert (w.lower <= w.value).all()
    assert (w.value <= w.upper).all()


def test_frame_has_one_row_per_input_and_strength() -> None:
    draws = np.random.default_rng(0).integers(0, 3, (4, 2, 10))
    frame = dd.smoothness(Responses(draws, np.arange(4) % 3, [0.1, 0.2], 3, ids=list("abcd"))).to_frame()
    assert list(frame.columns) == ["id", "label", "strength", "w", "w_lower", "w_upper"]
    assert frame.id.tolist() == list("aabbccdd")
    assert frame.strength.tolist() == [0.1, 0.2] * 4


def test_mean_is_the_mean_over_inputs() -> None:
    r = Responses(np.random.default_rng(0).integers(0, 3, (40, 2, 30)), np.zeros(40, int), [0.1, 0.2], 3)
    for c, mean in enumerate(mean_smoothness(r)):
        assert mean.value == pytest.approx(dd.smoothness(r).value[:, c].mean())
        assert mean.lower < mean.value < mean.upper


def curve(strengths: list[float], mean: list[float]) -> Smoothness:
    w = np.array([mean])
    return Smoothness(w, w, w, tuple(strengths), ("0",), np.zeros(1, np.int16), 0.95, "guaranteed", 100)


@pytest.mark.parametrize(
    ("strengths", "mean", "expected"),
    [
        ([0.1, 0.2, 0.4], [0.0, 0.8, 0.1], 0.15),
        ([0.1, 0.2, 0.4], [0.6, 0.8, 0.1], 0.1 * 0.4 / 0.6),
        ([0.4, 0.2, 0.1], [0.1, 0.8, 0.0], 0.15),
        ([0.1, 0.2, 0.3, 0.4], [0.2, 0.4, 0.4, 0.3], 0.1),
    ],
)
def test_sigma_half_is_the_first_crossing_of_half_the_peak(strengths, mean, expected) -> None:
    assert dd.sigma_half(curve(strengths, mean)) == pytest.approx(expected)


def test_sigma_half_refuses_a_grid_without_the_peak() -> None:
    with pytest.raises(InputError, match="add larger strengths"):
        dd.sigma_half(curve([0.1, 0.2], [0.1, 0.2]))
    with pytest.raises(InputError, match="stronger noise"):
        dd.sigma_half(curve([0.1, 0.2], [0.0, 0.0]))


def test_a_plateau_at_the_end_of_the_grid_is_a_peak_and_a_slope_is_none() -> None:
    """A scale-free network never calms down: W of sign(x + s*eps) tends to its plateau log 2, from below."""
    plateau = [0.1, 0.2, 0.4, 0.8], [0.2, 0.6, 0.79, 0.8]
    assert dd.sigma_half(curve(*plateau)) == pytest.approx(0.1 + 0.1 * 0.2 / 0.4)
    fine = [0.1, 0.2, 0.4, 0.41, 0.42], [0.2, 0.4, 0.79, 0.795, 0.8]  # small steps, but steep
    with pytest.raises(InputError, match="add larger strengths"):
        dd.sigma_half(curve(*fine))


@pytest.mark.parametrize("bad", [[0], [1], [2], [0, 1, 2]])
def test_sigma_half_names_the_strengths_without_a_label(bad) -> None:
    draws = np.array([[[0, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1]]])
    draws[:, bad] = -1
    r = Responses(draws, np.zeros(1, int), [0.1, 0.2, 0.3], 2)
    with pytest.raises(
        InputError, match=f"only invalid draws at strength {', '.join(f'{0.1 + 0.1 * b:g}' for b in bad)};"
    ):
        dd.sigma_half(dd.smoothness(r))


def test_what_is_handed_over_by_mistake_is_named() -> None:
    r = Responses(np.zeros((1, 1, 4), int), np.zeros(1, int), [0.1], 2)
    with pytest.raises(InputError, match="expected a Smoothness, got Responses"):
        dd.sigma_half(r)  # type: ignore[arg-type]
    for function in (dd.smoothness, mean_smoothness):
        with pytest.raises(InputError, match="expected Responses, got ndarray"):
            function(np.zeros((1, 1, 4), int))
        for level in ("a", None, 0, 1, np.nan):
            with pytest.raises(InputError, match="expected a level"):
                function(r, level=level)
