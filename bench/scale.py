"""One worker against two, memory against the number of inputs, the cost model: python bench/scale.py workers | scan | memory | cost.

`workers` alternates runs of one and of two processes of one thread each over the same inputs, the one also kept to one core, and gives
the ratios of each round. `scan` does the same for a scan by a calibrated detector: processes of their own with one core, all cores and two workers, whose shards must be the same
bytes; the rates are from the fourth batch on, when all have started. `memory` runs one process for each number of inputs on a stream that makes images as they are read, writes shards, and
gives each process's peak resident memory. `cost` takes the rate of an engine from a small job, predicts a larger one by it (inputs
x forwards x FLOPs / rate), and runs that too; seconds are those that the processor spent, so other jobs beside it matter little.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import doldrum as dd
from doldrum.measuring import Measurement, measure_to
from doldrum.measuring.workers import worker_chunks
from doldrum.provenance import versions_and_machine


class Stream:
    """N images of 8 x 8, made when they are read."""

    def __init__(self, n: int) -> None:
        self.shape = (n, 1, 8, 8)

    def __getitem__(self, at: slice) -> np.ndarray:
        return np.random.default_rng(at.start).integers(0, 256, (at.stop - at.start, 1, 8, 8), dtype=np.uint8)


def tiny(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), 16, 4).sum(axis=1)


def one(n: int) -> None:
    clf = dd.as_classifier(tiny, input_shape=(1, 8, 8), num_classes=4)
    with tempfile.TemporaryDirectory() as folder:
        run = Measurement(clf, Stream(n), dd.probes.Gaussian([0.2], draws=4, seed=0), batch_size=2048)
        measure_to(run, Path(folder) / "out", progress=False)
    print(json.dumps({"inputs": n, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def memory(counts: list[int]) -> list[dict]:
    rows = []
    for n in counts:
        done = subprocess.run([sys.executable, __file__, "one", str(n)], capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout))
        print(rows[-1], flush=True)
    return rows


def workers(repeats: int, inputs: int) -> dict:
    test = dd.load_dataset("fashion-mnist:test").take(range(inputs))
    from doldrum.attacks import VictimSpec, get_victim
    from doldrum.training import get_recipe

    model = get_victim(VictimSpec(attack="badnets", recipe=get_recipe("fashion-cnn", threads=1), seed=0)).model
    run = Measurement(model, test, dd.probes.Gaussian([0.1], draws=250, seed=0), engine="openvino-fp32", batch_size=50)
    cores = os.sched_getaffinity(0)
    # A worker computes in one thread, and the host's part of its work (noise, labels, shipping) may run beside it where a core is idle.
    arms = {"1 worker, 1 core": (1, {min(cores)}), "1 worker": (1, cores), "2 workers": (2, cores)}
    times: dict[str, list[float]] = {arm: [] for arm in arms}
    for _ in range(repeats):
        for arm, (count, allowed) in arms.items():
            os.sched_setaffinity(0, allowed)
            chunks = worker_chunks(run, count)
            next(chunks)  # starting the processes is not compared
            start = time.perf_counter()
            for _chunk in chunks:
                pass
            times[arm].append(time.perf_counter() - start)
        print({arm: round(t[-1], 2) for arm, t in times.items()}, file=sys.stderr, flush=True)
    os.sched_setaffinity(0, cores)
    found: dict = {"seconds": times}
    for arm in ("1 worker, 1 core", "1 worker"):
        ratio = [a / b for a, b in zip(times[arm], times["2 workers"], strict=True)]
        found[f"2 workers to {arm}"] = {"median": statistics.median(ratio), "min": min(ratio), "max": max(ratio)}
    return found


ARMS = {"1 process, 1 core": (1, True), "1 process, all cores": (1, False), "2 workers": (2, False)}


def scan_one(folder: Path, arm: str) -> None:
    """One scan by an arm; prints images a second from the fourth batch on, seconds of all, and a hash of what was written."""
    workers, alone = ARMS[arm]
    if alone:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before libraries count cores
    from doldrum.detectors import load_detector
    from doldrum.detectors.deploy.scanning import scan_to

    images = dd.data.ImageSet(np.load(folder / "images.npy"))
    detector = load_detector(folder / "guard.doldrum", dd.load_checkpoint(folder / "model.safetensors"))
    detector.batch_size, heard = 64, []
    detector.on_batch = lambda count: heard.append((time.perf_counter(), count))
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        scan_to(detector, images, Path(out) / "out", progress=False, workers=workers)
        seconds = time.perf_counter() - start
        shards = [path.read_bytes() for path in sorted((Path(out) / "out").glob("*.parquet"))]
    rate = sum(count for _, count in heard[4:]) / (heard[-1][0] - heard[3][0])
    print(json.dumps({"rate": rate, "seconds": seconds, "shards": hashlib.sha256(b"".join(shards)).hexdigest()}))


def scan(repeats: int, inputs: int) -> dict:
    from doldrum.attacks import VictimSpec, get_victim
    from doldrum.detectors import SmoothnessProfile, save_detector
    from doldrum.training import get_recipe

    test = dd.load_dataset("fashion-mnist:test")
    model = get_victim(VictimSpec(attack="badnets", recipe=get_recipe("fashion-cnn", threads=1), seed=0)).model
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model.save(folder / "model.safetensors")
        np.save(folder / "images.npy", test.images[1000 : 1000 + inputs])
        model = dd.load_checkpoint(folder / "model.safetensors")
        detector = SmoothnessProfile(seed=0).fit(model, test.take(range(500)))
        save_detector(detector.calibrate(test.take(range(500, 1000))), folder / "guard.doldrum")
        runs: dict[str, list[dict]] = {arm: [] for arm in ARMS}
        for _ in range(repeats):
            for arm, made in runs.items():
                command = [sys.executable, __file__, "scan-one", "--folder", name, "--arm", arm]
                made.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
            print({arm: round(made[-1]["rate"], 1) for arm, made in runs.items()}, file=sys.stderr, flush=True)
    assert len({one["shards"] for made in runs.values() for one in made}) == 1, "verdicts differ"
    found: dict = {"engine": detector.engine, "images": inputs, "runs": runs}
    for arm in list(ARMS)[:2]:
        ratio = [b["rate"] / a["rate"] for a, b in zip(runs[arm], runs["2 workers"], strict=True)]
        found[f"2 workers to {arm}"] = {"median": statistics.median(ratio), "min": min(ratio), "max": max(ratio)}
    return found


def cost(repeats: int) -> list[dict]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from doldrum.networks import build

    rows = []
    for name, shape, small, large in (("fashion-cnn", (1, 28, 28), 4, 40), ("preact-resnet18", (3, 32, 32), 1, 3)):
        torch.manual_seed(0)
        module = build(name, input_shape=shape, num_classes=10).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(torch.zeros(1, *shape))
        flops = counter.get_total_flops()
        clf = dd.as_classifier(module, input_shape=shape, num_classes=10)
        images = np.random.default_rng(0).random((large, *shape), dtype=np.float32)
        jobs = []
        for inputs, strengths, draws in ((small, [0.1], 100), (large, [0.1, 0.2], 125)):
            probe = dd.probes.Gaussian(strengths, draws=draws, seed=0)
            work = inputs * (1 + len(strengths) * draws) * flops
            jobs.append((work, Measurement(clf, images[:inputs], probe, engine="openvino-fp32")))
        ratios, rates = [], []
        for _ in range(repeats):
            taken = []
            for _, run in jobs:
                start = time.process_time()
                list(run.chunks())
                taken.append(time.process_time() - start)
            rates.append(jobs[0][0] / taken[0])
            ratios.append(taken[1] / (jobs[1][0] / rates[-1]))
        rows.append(
            {
                "network": name,
                "gflop_per_second": statistics.median(rates) / 1e9,
                "larger_by": jobs[1][0] / jobs[0][0],
                "taken_to_predicted": statistics.median(ratios),
                "min": min(ratios),
                "max": max(ratios),
            }
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["workers", "scan", "memory", "cost", "one", "scan-one"])
    parser.add_argument("counts", nargs="*", type=int, default=[10_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.what == "one":
        one(args.counts[0])
        return
    if args.what == "scan-one":
        scan_one(args.folder, args.arm)
        return
    if args.what == "scan":
        found: object = scan(args.repeats, args.inputs)
    elif args.what == "cost":
        found = cost(args.repeats)
    else:
        found = memory(args.counts) if args.what == "memory" else workers(args.repeats, args.inputs)
    print(json.dumps({args.what: found, "load_average": os.getloadavg(), **versions_and_machine()}, indent=2))


if __name__ == "__main__":
    main()
