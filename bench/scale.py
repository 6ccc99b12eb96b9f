"""One worker against two, memory against the number of inputs, the cost model, S3 to S3: python bench/scale.py workers | scan | memory | cost | s3.

`workers` alternates runs of one and of two processes of one thread each over the same inputs, the one also kept to one core, and gives
the ratios of each round. `scan` does the same for a scan by a calibrated detector: processes of their own with one core, all cores and two workers, whose shards must be the same
bytes; the rates are from the fourth batch on, when all have started. `memory` runs one process for each number of inputs on a stream that makes images as they are read, writes shards, and
gives each process's peak resident memory. `cost` takes the rate of an engine from a small job, predicts a larger one by it (inputs
x forwards x FLOPs / rate), and runs that too; seconds are those that the processor spent, so other jobs beside it matter little.

`s3` scans WebDataset shards from an S3 server on this machine (moto's, in a process of its own) to it, once for each number of images (`s3 50000
1000000`): images per second of the first and last tenth of the shards, the driver's and the workers' peak memory, and what a billion would
cost by that rate. `--kills 10` kills a worker (with `--ray local`, an actor) so often in the last run, at random, and holds its results
against those of a run without. What is asked there is the road of an image, not the model: a linear model of 4 classes on 8 x 8 pixels and a
detector of 5 forwards an image. The 64 forwards of a profile cost what `scan` says, whatever the source.
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
    print(json.dumps({"inputs": n, "peak_mib": _own_peak_mib()}))


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
    """One scan by an arm; prints images per second from the fourth batch on, seconds of all, and a hash of what was written."""
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


def s3(counts: list[int], *, per_shard: int, workers: int, ray: str | None, kills: int) -> list[dict]:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "shared"))
    from s3_server import s3_server

    os.environ.setdefault("RAY_worker_niceness", "0")
    rows = []
    with s3_server() as server:
        os.environ.update(server.environment())
        for bucket in ("images", "verdicts"):
            server.client.create_bucket(Bucket=bucket)
        shard = _shard(per_shard)  # one content under all names: what is made of it is not what is measured
        shards = -(-max(counts) // per_shard)
        for i in range(shards):
            server.client.put_object(Bucket="images", Key=f"s-{i:06d}.tar", Body=shard)
        settings = {"workers": workers, "ray": ray, "per_shard": per_shard}
        for n in counts:
            rows.append(_s3_run(server.address, n, out=f"s3://verdicts/{n}", **settings))
            print(rows[-1], flush=True)
        if kills:
            rows.append(_s3_run(server.address, max(counts), out="s3://verdicts/killed", kills=kills, **settings))
            whole, killed = (_results(server, prefix) for prefix in (f"{max(counts)}/", "killed/"))
            assert whole == killed, "a result is lost, twice, or another"
            rows[-1]["results"] = len(killed)
            print(rows[-1], flush=True)
    return rows


def _shard(count: int) -> bytes:
    """Grey images of 8 x 8 as an uncompressed WebDataset tar of PPM files: the fastest that intake decodes."""
    import io
    import tarfile

    pixels, buffer = np.random.default_rng(0).integers(0, 256, (count, 64), dtype=np.uint8), io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for i, image in enumerate(pixels):
            data = b"P5 8 8 255\n" + image.tobytes()
            info = tarfile.TarInfo(f"{i:06d}.pgm")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _results(server, prefix: str) -> dict[str, str]:
    """What is below a prefix, by name: a hash of each shard's result."""
    pages = server.client.get_paginator("list_objects_v2").paginate(Bucket="verdicts", Prefix=prefix)
    names = [found["Key"] for page in pages for found in page.get("Contents", [])]
    return {
        name.removeprefix(prefix): hashlib.sha256(
            server.client.get_object(Bucket="verdicts", Key=name)["Body"].read()
        ).hexdigest()
        for name in names
        if name.endswith(".parquet")
    }


def _s3_run(address: str, n: int, *, out: str, per_shard: int, workers: int, ray: str | None, kills: int = 0) -> dict:
    asked = json.dumps({"n": n, "out": out, "per_shard": per_shard, "workers": workers, "ray": ray, "kills": kills})
    command = [sys.executable, __file__, "s3-one", "--arm", asked]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def s3_one(*, n: int, out: str, per_shard: int, workers: int, ray: str | None, kills: int) -> None:
    """One scan of n images, in a process of its own whose children are its workers."""
    from contextlib import contextmanager

    from doldrum.detectors import W
    from doldrum.detectors.deploy import sharded

    model = dd.as_classifier(linear, input_shape=(1, 8, 8), num_classes=4)
    pool = np.random.default_rng(1).integers(0, 256, (1200, 1, 8, 8), dtype=np.uint8)
    detector = W(strength=0.2, draws=4, seed=1).fit(model, pool[:200]).calibrate(pool[200:])
    detector.batch_size = 1024
    done: list[tuple[float, float, float]] = []
    watch, killed = _Family(ray is not None), 0
    shards = -(-n // per_shard)
    at = (
        set(np.random.default_rng(2).choice(np.arange(1, max(2, shards - 1)), min(kills, max(1, shards - 2)), False))
        if kills
        else set()
    )

    @contextmanager
    def bar(*_, **__):
        def advance(_n: int) -> None:
            nonlocal killed
            done.append((time.perf_counter(), watch.peak_mib(), _own_peak_mib()))
            if len(done) in at:
                killed += watch.kill_one()

        yield advance

    sharded.progress_bar = bar
    start = time.perf_counter()
    source = f"s3://images/s-{{000000..{shards - 1:06d}}}.tar"
    found = sharded.scan_shards(detector, source, out, workers=workers, ray=ray)
    seconds, tenth = time.perf_counter() - start, max(2, shards // 10)
    assert found["complete"], found["failed"]
    assert found["inputs"] == shards * per_shard, found["inputs"]
    times = [t for t, *_ in done]
    first, last = ((tenth - 1) * per_shard / (t[-1] - t[0]) for t in (times[:tenth], times[-tenth:]))
    rate = (shards - 1) * per_shard / (times[-1] - times[0])
    print(
        json.dumps(
            {
                "images": found["inputs"],
                "seconds": seconds,
                "images_per_second": rate,
                "first_tenth": first,
                "last_tenth": last,
                "peak_mib_after_first_tenth": done[tenth - 1][1],
                "peak_mib": done[-1][1],
                "driver_mib_after_first_tenth": done[tenth - 1][2],
                "driver_mib": _own_peak_mib(),
                "killed": killed,
                "core_hours_of_1e9": 1e9 / rate * (workers or 1) / 3600,
            }
        )
    )


def _own_peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def linear(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), 64) @ _WEIGHTS


_WEIGHTS = np.random.default_rng(3).normal(size=(64, 4)).astype(np.float32)


class _Family:
    """The workers of this process."""

    def __init__(self, ray: bool) -> None:
        import psutil

        self._psutil, self._ray, self._chance = psutil, ray, np.random.default_rng(4)

    def _workers(self) -> list:
        found = []
        for child in self._psutil.Process().children(recursive=True):
            try:
                words = " ".join(child.cmdline())
            except self._psutil.Error:
                continue
            if ("ray::_Actor" in words) if self._ray else ("spawn_main" in words and child.ppid() == os.getpid()):
                found.append(child)
        return found

    def peak_mib(self) -> float:
        """The largest resident memory that one of them has had."""
        peaks = [0.0]
        for worker in self._workers():
            try:
                status = Path(f"/proc/{worker.pid}/status").read_text()
                peaks.append(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
            except (OSError, ValueError, IndexError):
                continue
        return max(peaks)

    def kill_one(self) -> int:
        there = self._workers()
        if not there:
            return 0
        there[int(self._chance.integers(len(there)))].kill()
        return 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["workers", "scan", "memory", "cost", "s3", "one", "scan-one", "s3-one"])
    parser.add_argument("counts", nargs="*", type=int, default=[10_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--shard", type=int, default=10_000, help="s3: images a shard")
    parser.add_argument("--workers", type=int, default=2, help="s3: workers")
    parser.add_argument("--ray", help="s3: the address of a cluster, such as local")
    parser.add_argument("--kills", type=int, default=0, help="s3: workers that are killed in one more run")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--arm", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.what == "one":
        one(args.counts[0])
        return
    if args.what == "scan-one":
        scan_one(args.folder, args.arm)
        return
    if args.what == "s3-one":
        s3_one(**json.loads(args.arm))
        return
    if args.what == "s3":
        found: object = s3(args.counts, per_shard=args.shard, workers=args.workers, ray=args.ray, kills=args.kills)
    elif args.what == "scan":
        found = scan(args.repeats, args.inputs)
    elif args.what == "cost":
        found = cost(args.repeats)
    else:
        found = memory(args.counts) if args.what == "memory" else workers(args.repeats, args.inputs)
    print(json.dumps({args.what: found, "load_average": os.getloadavg(), **versions_and_machine()}, indent=2))


if __name__ == "__main__":
    main()
