"""Streams drawn of scores: how often a Watch says something of clean ones, and how late of others, and what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors import Calibration, Watch
from doldrum.detectors.deploy.watch import WatchVerdict
from doldrum.seeds import rng
from doldrum.stats.martingale import ConformalMartingale, spike_bets, tilt_bets

FPR = 0.01
LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2)
_CALL = 1000  # images a call
Scores = NDArray[np.float64]


def false_alarms(pool: Scores | None, *, calibration: int, length: int, runs: int) -> dict[str, Any]:
    """Runs of `length` clean inputs in which anything was said: the pool in a random order, or, without one, uniform scores.

    The first `calibration` of an order calibrate and the others are the stream: exchangeable, exactly. `said`, at each of LEVELS, are the
    runs in which one of the two martingales ever reached 2 / level; `trap` those in which the same bets, at the odds of uniform p-values, did.
    """
    peaks, naive = [], []
    for run in range(runs):
        chance = rng(0, "clean", calibration, run)
        x = chance.random(calibration + length) if pool is None else chance.permutation(pool)[: calibration + length]
        held = Calibration(x[:calibration], chance.random(calibration), fpr=FPR, seed=0)
        p = held.p_values(x[calibration:], chance.random(len(x) - calibration))
        watch = Watch(held)
        watch.update(p)
        peaks.append(max(watch._drift.peak, watch._flags.peak))
        if pool is None:
            naive.append(_naive(watch, p))
    said = {str(a): int(sum(np.array(peaks) >= np.log(2 / a))) for a in LEVELS}
    trap = {str(a): int(sum(np.array(naive) >= np.log(2 / a))) for a in LEVELS} if naive else None
    return {"calibration": calibration, "length": len(x) - calibration, "runs": runs, "said": said, "trap": trap}


def _naive(watch: Watch, p: Scores) -> float:
    """The peak where the urns never learn: as if the p-values were independent and uniform."""
    fixed = Watch(watch.calibration)
    for name, bets in (("_drift", tilt_bets), ("_flags", spike_bets)):
        cells = getattr(watch, name)._cells
        setattr(fixed, name, ConformalMartingale(cells * 1e12, bets(cells[0]), limit=2 / watch.alpha))
    fixed.update(p)
    return max(fixed._drift.peak, fixed._flags.peak)


def delays(
    scores: Mapping[str, Scores], condition: str, *, share: float, calibration: int, before: int, after: int, runs: int
) -> dict[str, Any]:
    """After `before` clean inputs `share` of the inputs are of the condition: what is said, and after how many inputs.

    Delays count from the change, clean inputs included: `first` to the first word of any kind, `last` to the word that stays; None where
    fewer runs came so far. Runs with a word before the change are `early`, and in nothing else.
    """
    kinds: dict[str, int] = {"as calibrated": 0, "drift": 0, "attack": 0, "open": 0, "early": 0}
    first, last = [], []
    for run in range(runs):
        chance = rng(0, "change", condition, str(share), calibration, before, run)
        x = chance.permutation(scores["clean"])[: calibration + before + after]
        held = Calibration(x[:calibration], chance.random(calibration), fpr=FPR, seed=0)
        stream = x[calibration:]
        changed = before + np.flatnonzero(chance.random(len(stream) - before) < share)
        stream[changed] = chance.choice(scores[condition], len(changed))
        verdict = _final(Watch(held), held.p_values(stream, chance.random(len(stream))))
        times = [t for t in (verdict.drift_at, verdict.flags_at) if t is not None]
        if times and min(times) <= before:
            kinds["early"] += 1
            continue
        kinds[verdict.kind] += 1
        first.append(min(times) - before if times else np.inf)
        told = {"drift": verdict.drift_at, "attack": max(verdict.flags_at or 0, (verdict.flags_since or 0) + 499)}
        last.append((told.get(verdict.kind) or np.inf) - before)
    return {
        "condition": condition, "share": share, "calibration": calibration, "before": before, "after": len(stream) - before,
        "runs": runs, **kinds, "first": _quantiles(first), "last": _quantiles(last),
    }  # fmt: skip


def _final(watch: Watch, p: Scores) -> WatchVerdict:
    """The verdict that stays: after drift or an attack there is no other."""
    verdict = watch.verdict
    for start in range(0, len(p), _CALL):
        verdict = watch.update(p[start : start + _CALL])
        if verdict.kind in ("drift", "attack"):
            break
    return verdict


def _quantiles(times: list[float]) -> list[float | None]:
    """Median and 90%, by the smallest time that so many runs had by then."""
    kept = np.sort(times)
    found = [kept[int(np.ceil(q * len(kept))) - 1] if len(kept) else np.inf for q in (0.5, 0.9)]
    return [float(t) if np.isfinite(t) else None for t in found]
