"""Draws that deciding "W above or below a threshold" takes, against a fixed number: python bench/adaptive.py.

Inputs are test images, half of them triggered, of a victim. Labels of `--truth` draws with another seed say on which side W
lies; inputs within `--margin` of the threshold are left out. One adaptive run goes down to the lowest threshold's needs for
each threshold, so the table shows how the saving falls as the threshold nears 0.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np

import doldrum as dd
from doldrum.attacks import VictimSpec, get_victim
from doldrum.provenance import versions_and_machine
from doldrum.stats import entropy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--truth", type=int, default=10_000)
    parser.add_argument("--sigma", type=float, default=0.12)
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--margin", type=float, default=0.03)
    parser.add_argument("--thresholds", default="0.2,0.1,0.05,0.02")
    parser.add_argument("--engine", default="auto")
    args = parser.parse_args()

    victim = get_victim(VictimSpec(attack="badnets", seed=0))
    test = dd.load_dataset("fashion-mnist:test").take(range(args.inputs))
    assert victim.trigger is not None
    images = test.images.astype(np.float32) / 255
    images[1::2] = victim.trigger(images[1::2])
    thresholds = [float(t) for t in args.thresholds.split(",")]

    def w_of(inputs: np.ndarray, draws: int) -> np.ndarray:
        probe = dd.probes.Gaussian([args.sigma], draws=draws, seed=1)
        parts = [inputs[i : i + 256] for i in range(0, len(inputs), 256)]
        runs = [dd.measure(victim.model, part, probe, engine=args.engine, progress=False) for part in parts]
        return np.concatenate([entropy.plug_in(r.counts)[:, 0] for r in runs])

    # 400 draws place an input to about .02: only those within .1 of a threshold need all of `--truth` to be placed.
    truth = w_of(images, min(400, args.truth))
    near = np.flatnonzero(np.abs(truth[:, None] - thresholds).min(axis=1) < 0.1)
    if len(near):
        truth[near] = w_of(images[near], args.truth)
    print(f"{len(near)} inputs measured with {args.truth} draws", flush=True)
    rows = []
    for threshold in thresholds:
        rule = dd.until.Decided(threshold, alpha=args.alpha)
        start = time.perf_counter()
        probe = dd.probes.Gaussian([args.sigma], draws=args.draws, seed=0)
        r = dd.measure(victim.model, images, probe, until=rule, engine=args.engine, progress=False)
        seconds = time.perf_counter() - start
        stopped = rule.read(r)
        margin = min(args.margin, threshold / 2)
        clear = np.abs(truth - threshold) > margin
        decision, draws = stopped.decision[clear, 0], stopped.draws[clear, 0]
        side = np.where(truth[clear] > threshold, 1, -1)
        rows.append(
            {
                "threshold": threshold,
                "margin": margin,
                "inputs": int(clear.sum()),
                "mean_draws": float(draws.mean()),
                "saving": args.draws / float(draws.mean()),
                "wrong": int((decision == -side).sum()),
                "undecided": int((decision == 0).sum()),
                "below": int((side < 0).sum()),
                "mean_draws_triggered": float(draws[np.flatnonzero(clear) % 2 == 1].mean()),
                "mean_draws_clean": float(draws[np.flatnonzero(clear) % 2 == 0].mean()),
                "mean_draws_all_inputs": float(stopped.draws.mean()),
                "seconds": seconds,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    print(json.dumps({"settings": vars(args), "engine": r.info["engine"], "rows": rows, **versions_and_machine()}))


if __name__ == "__main__":
    main()
