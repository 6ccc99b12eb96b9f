"""Draws that deciding "W above or below a threshold" takes, against a fixed number: python bench/adaptive.py.

Inputs are test images, half of them triggered, of a victim. Which side of a threshold W is on is found from other draws
(another seed): 400 of each input; 2,000, then `--truth`, of those whose W may be within `--margin` of the threshold, as far
as a 99.99% interval can tell. Those within the margin are left out. Every step writes shards under `--out`: the same command
again continues where it was cut off, and is done at once where all is there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import doldrum as dd
from doldrum.attacks import VictimSpec, get_victim
from doldrum.classifiers.base import Classifier
from doldrum.measuring import Measurement, measure_to, read_manifest
from doldrum.provenance import versions_and_machine
from doldrum.stats import entropy, intervals

Images = np.ndarray


def measured(
    folder: Path, model: Classifier, images: Images, draws: int, args: argparse.Namespace, **options
) -> dd.Responses:
    """Responses from `folder`, measured where it is not finished; a folder of other inputs or draws is refused."""
    known: dict[str, Any] = read_manifest(folder) if (folder / "manifest.json").is_file() else {"complete": False}
    same = known.get("images_hash") == dd.ImageSet(images).content_hash() and known["probe"]["draws"] == draws
    if not (same and known["complete"]):
        probe = dd.probes.Gaussian([args.sigma], draws=draws, seed=0 if options else 1)
        run = Measurement(model, images, probe, engine=args.engine, batch_size=args.batch_size, **options)
        measure_to(run, folder, progress=False)
    return dd.read_responses(folder)


class Truth:
    """W of every input, from as many draws as its distance to a threshold asks for."""

    def __init__(self, model: Classifier, images: Images, args: argparse.Namespace) -> None:
        self.model, self.images, self.args = model, images, args
        self.draws = np.zeros(len(images), dtype=int)
        self.w, self.lower, self.upper = np.zeros((3, len(images)))
        self._take(np.arange(len(images)), min(400, args.truth), "all")

    def near(self, threshold: float, margin: float) -> np.ndarray:
        """Which inputs are within the margin; their W is that of `--truth` draws, as is that of all that nearly do."""
        for draws in (2000, self.args.truth):
            touches = (self.lower < threshold + margin) & (self.upper > threshold - margin)
            unsure = np.flatnonzero(touches & (self.draws < min(draws, self.args.truth)))
            if len(unsure):
                self._take(unsure, min(draws, self.args.truth), f"{threshold:g}")
        return np.abs(self.w - threshold) <= margin

    def _take(self, index: np.ndarray, draws: int, name: str) -> None:
        print(f"{len(index)} inputs x {draws} draws", flush=True)
        folder = self.args.out / f"truth-{name}-{draws}"
        counts = measured(folder, self.model, self.images[index], draws, self.args).counts[:, 0]
        self.draws[index], self.w[index] = draws, entropy.plug_in(counts)
        self.lower[index], self.upper[index] = intervals.entropy_interval(counts, level=0.9999, method="posterior")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--truth", type=int, default=10_000)
    parser.add_argument("--sigma", type=float, default=0.12)
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--margin", type=float, default=0.03, help="at most half of the threshold is taken")
    parser.add_argument("--thresholds", default="0.2,0.1,0.05,0.02")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--batch-size", type=int, default=64, help="inputs a shard")
    parser.add_argument("--out", type=Path, default=Path("bench-adaptive"))
    args = parser.parse_args()

    victim = get_victim(VictimSpec(attack="badnets", seed=0))
    test = dd.load_dataset("fashion-mnist:test").take(range(args.inputs))
    assert victim.trigger is not None
    images = test.images.astype(np.float32) / 255
    images[1::2] = victim.trigger(images[1::2])
    triggered = np.arange(len(images)) % 2 == 1

    truth = Truth(victim.model, images, args)
    rows, engine = [], None
    for threshold in (float(t) for t in args.thresholds.split(",")):
        margin = min(args.margin, threshold / 2)
        clear = ~truth.near(threshold, margin)
        rule = dd.until.Decided(threshold, alpha=args.alpha)
        r = measured(args.out / f"until-{threshold:g}", victim.model, images, args.draws, args, until=rule)
        stopped, engine = rule.read(r), r.info["engine"]
        decision, draws = stopped.decision[:, 0], stopped.draws[:, 0]
        side = np.where(truth.w > threshold, 1, -1)
        rows.append(
            {
                "threshold": threshold,
                "margin": margin,
                "inputs": int(clear.sum()),
                "of_them_below": int((side[clear] < 0).sum()),
                "mean_draws": float(draws[clear].mean()),
                "mean_draws_triggered": float(draws[clear & triggered].mean()),
                "mean_draws_clean": float(draws[clear & ~triggered].mean()),
                "fewer_by": args.draws / float(draws[clear].mean()),
                "wrong": int((decision == -side)[clear].sum()),
                "undecided": int((decision == 0)[clear].sum()),
                "mean_draws_of_all_inputs": float(draws.mean()),
                "inputs_by_draws_for_the_truth": {
                    str(n): int((truth.draws == n).sum()) for n in np.unique(truth.draws)
                },
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
    print(json.dumps({"settings": settings, "engine": engine, "rows": rows, **versions_and_machine()}))


if __name__ == "__main__":
    main()
