"""Streams drawn of scores: how often a Watch says something of clean ones, and how late of others, and what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors import Calibration
from doldrum.detectors.deploy.watch import Watch, WatchVerdict
from doldrum.seeds import rng
from doldrum.stats.martingale import ConformalMartingale, even_cells, tilt_bets

FPR = 0.01
Scores = NDArray[np.float64]


def watched(calibration: Scores, stream: Scores, chance: np.random.Generator) -> WatchVerdict:
    """The verdict at the end of a stream; equal scores in random order."""
    held = Calibration(calibration, chance.random(len(calibration)), fpr=FPR, seed=0)
    return Watch(held).update(held.p_values(stream, chance.random(len(stream))))


def false_alarms(pool: Scores | None, *, calibration: int, length: int, runs: int, seed: int) -> dict[str, Any]:
    """Runs of `length` clean inputs in which anything was said: the pool in a random order, or, without one, uniform scores.

    The first `calibration` of an order calibrate and the others are the stream: exchangeable, exactly.
    """
    said = {"drift": 0, "flags": 0, "either": 0}
    for run in range(runs):
        chance = rng(seed, "clean", calibration, run)
        x = chance.random(calibration + length) if pool is None else chance.permutation(pool)[: calibration + length]
        verdict = watched(x[:calibration], x[calibration:], chance)
        said["drift"] += verdict.drift_at is not None
        said["flags"] += verdict.flags_at is not None
        said["either"] += verdict.kind != "as calibrated"
    return {"calibration": calibration, "length": length, "runs": runs, **said}


def trap(*, calibration: int, length: int, runs: int, seed: int) -> dict[str, Any]:
    """The same bets on the same bins, but at the odds of uniform p-values: what one must not do."""
    cells = even_cells(calibration + 1, 10)
    said = 0
    for run in range(runs):
        chance = rng(seed, "clean", calibration, run)
        x = chance.random(calibration + length)
        ranks = calibration - np.searchsorted(np.sort(x[:calibration]), x[calibration:])
        fixed = ConformalMartingale(cells * 1e12, tilt_bets(cells), limit=100)  # an urn that never learns
        fixed.update(np.searchsorted(np.cumsum(cells), ranks, side="right"))
        said += bool(fixed.alarm)
    return {"calibration": calibration, "length": length, "runs": runs, "either": said}


def delays(
    scores: Mapping[str, Scores],
    condition: str,
    *,
    share: float,
    calibration: int,
    before: int,
    after: int,
    runs: int,
    seed: int,
) -> dict[str, Any]:
    """After `before` clean inputs `share` of the inputs are of the condition: what is said, and after how many of these.

    Delays count from the change, clean inputs included: `first` to the first word of any kind, `settled` to the last that the stream
    brought ("drift" or "attack"); runs with a word before the change count as `early`, and are in nothing else.
    """
    kinds: dict[str, int] = {"as calibrated": 0, "drift": 0, "attack": 0, "open": 0, "early": 0}
    first, flagged = [], []
    for run in range(runs):
        chance = rng(seed, "change", condition, str(share), calibration, before, run)
        x = chance.permutation(scores["clean"])[: calibration + before + after]
        cal, stream = x[:calibration], x[calibration:]
        changed = before + np.flatnonzero(chance.random(len(stream) - before) < share)
        stream[changed] = chance.choice(scores[condition], len(changed))
        verdict = watched(cal, stream, chance)
        times = [t for t in (verdict.drift_at, verdict.flags_at) if t is not None]
        if times and min(times) <= before:
            kinds["early"] += 1
            continue
        kinds[verdict.kind] += 1
        first.append(min(times) - before if times else np.inf)
        flagged.append(verdict.flagged)
    kept = np.sort(first)
    quantiles = {f"q{q}": float(kept[min(len(kept) - 1, int(np.ceil(q / 100 * len(kept))) - 1)]) for q in (50, 90)}
    return {
        "condition": condition, "share": share, "calibration": calibration, "before": before, "after": len(stream) - before,
        "runs": runs, **kinds, **{k: v if np.isfinite(v) else None for k, v in quantiles.items()},
    }  # fmt: skip
