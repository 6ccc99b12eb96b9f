"""Estimate the share of triggered inputs that a fitted profile will flag. The estimate simulates triggers on clean
inputs, and needs no forward passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors.profile.curves import survivals
from doldrum.stats.conformal import num_allowed
from doldrum.stats.proportions import Interval

__all__ = ["Outlook", "found_shares", "made_up"]

Draws = Mapping[str, NDArray[np.int16]]


@dataclass(frozen=True)
class Outlook:
    """The estimated performance of a fitted profile at a promised false-positive rate, for a number of calibration
    inputs. The estimate was checked with ten classes only, and is not reliable if most classes have no image in `fit`.

    Parameters
    ----------
    images
        The number of clean inputs of `fit` that the model answered.
    classes, classes_without
        The number of classes, and the number of classes that the model predicts for no input of `fit`. The rates of a
        class without inputs are estimated from the other classes.
    found
        The share of simulated triggers that would be flagged, on average over calibration sets.
    unlucky
        The share of simulated triggers that would be flagged in unlucky cases: the mean share over the worst tenth of
        the calibration sets.
    promise
        The mean and the 95% limits of the false-positive rate that calibration sets of this size really give.
    """

    images: int
    classes: int
    classes_without: int
    found: float
    unlucky: float
    promise: Interval


def made_up(
    draws: Draws, labels: NDArray[np.int16], num_classes: int, rng: np.random.Generator
) -> tuple[dict[str, NDArray[np.int16]], NDArray[np.int16]]:
    """Simulate a trigger on each clean input: for some draws, replace the label by the trigger's target class.

    Return two values. The first has the same form as `draws`: for every draw, the label that the input with its
    simulated trigger gets. The second is the target class of each input's trigger (N,).

    Each trigger has a target class, drawn at random from all classes except the input's. For each trigger, a random
    curve of `survivals` is chosen for each family. Each trigger also has a random strength in [0, 1], which is the same
    for all families. The probability that a trigger decides a draw's label is the value of the trigger's curve times
    the trigger's strength.

    >>> draws, labels = {"noise": np.zeros((4, 2, 3), dtype=np.int16)}, np.zeros(4, dtype=np.int16)
    >>> with_trigger, targets = made_up(draws, labels, 3, np.random.default_rng(0))
    >>> bool((targets != labels).all()), bool(np.isin(with_trigger["noise"], (0, 1, 2)).all())
    (True, True)
    """
    targets = ((labels + rng.integers(1, num_classes, len(labels))) % num_classes).astype(np.int16)
    strength = rng.random((len(labels), 1, 1))
    found: dict[str, NDArray[np.int16]] = {}
    for family, seen in draws.items():
        curves = survivals(seen.shape[1])
        chance = strength * curves[rng.integers(len(curves), size=len(labels))][:, :, None]
        won = (rng.random(seen.shape) < chance) & (seen >= 0)
        found[family] = np.where(won, targets[:, None, None], seen)
    return found, targets


def found_shares(
    clean: NDArray[np.float64],
    triggered: NDArray[np.float64],
    *,
    calibration: int,
    fpr: float,
    rng: np.random.Generator,
    sets: int = 200,
) -> NDArray[np.float64]:
    """The share of the scores in `triggered` that would be flagged, for each of `sets` calibration sets. Each
    calibration set is drawn from the scores in `clean`, with replacement.

    >>> shares = found_shares(np.arange(99.0), np.array([99.0, 0.0]), calibration=99, fpr=0.05, rng=np.random.default_rng(0))
    >>> shares.mean()
    np.float64(0.5)
    """
    drawn = np.sort(rng.choice(clean, (sets, calibration)), axis=1)
    return (triggered > drawn[:, -num_allowed(calibration, fpr), None]).mean(axis=1)
