"""On a GPU, one command, under 8 minutes: the CUDA tests, then rates, shares and labels of networks: python bench/gpu.py --json FILE.

Where doldrum is not installed: PYTHONPATH=src python3 bench/gpu.py --json gpu.json. It needs nothing but torch, doldrum's own
dependencies and, for the tests, pytest and hypothesis. (A file cuda.py here would be what torch gets when it imports `cuda.bindings`.)

A cell is a network, an engine and a number of rows a batch: eager fp32, which gets its rows from the host, and torch.compile in bf16, with CUDA graphs, whose
rows are made on the GPU from the same draws. Each runs 64 rows of every input (one image, 63 draws), as `measure` does, down to the labels; and the
engine by itself, which leaves out noise. Rows are what `measure` takes today, and many: what a larger batch would bring.

A share is of a product of 8192-square matrices in the engine's precision, timed in the same round: 2 x MACs of all forwards over what the product
would do in that time. fp32 is fp32: TF32 is off. Labels are compared with those of eager fp32 on the CPU: 512 rows, noise included, and at least 98%
must be equal, as for every engine. The networks have fresh weights, and normalisation and last layer fitted to ten pictures, so that noise changes labels.

Time is a budget (`--budget`, seconds). Each network gets an equal part of what is left. When it is over, no further round begins. A cell
for which there is no time at all is printed and recorded as not run. The exit code is 1 then, and where tests fail or labels disagree.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from forwards import flops_of, product, said, seconds, spread
from resnet50 import resnet50
from torch import nn

import doldrum as dd
from doldrum.classifiers.base import Classifier
from doldrum.engines import MIN_AGREEMENT, Engine, build_engine, default_rows
from doldrum.engines.base import DeviceFill, Tile
from doldrum.errors import DoldrumError, EngineError
from doldrum.measuring.battery import Battery
from doldrum.measuring.readouts import Readings
from doldrum.measuring.tiles import make_tiles, plan_tiles
from doldrum.networks import build
from doldrum.provenance import versions_and_machine

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests" / "engines" / "test_engines_cuda.py"
TESTS_MOST = 120.0  # seconds
ENGINES = (("eager", "fp32"), ("compile", "bf16"))
DRAWS, CHECKED, SEED = 63, 512, 0
TOO_LATE = "the time was over before it began"


@dataclass(frozen=True)
class Network:
    make: Callable[[tuple[int, int, int]], nn.Module]
    shape: tuple[int, int, int]
    many: int  # rows a batch, beside what `measure` takes
    goal: float | None  # share of the bf16 product


NETWORKS = {
    "small CNN": Network(
        lambda shape: build("fashion-cnn", input_shape=shape, num_classes=10), (1, 28, 28), 8192, 0.40
    ),
    "ResNet-50": Network(lambda shape: resnet50(shape[0]), (3, 224, 224), 256, 0.60),
    "PreActResNet-18": Network(
        lambda shape: build("preact-resnet18", input_shape=shape, num_classes=10), (3, 32, 32), 2048, None
    ),
}


def pictures(shape: tuple[int, int, int], count: int, rng: np.random.Generator) -> np.ndarray:
    """Coarse random pictures in [0, 1], one a class."""
    channels, height, width = shape
    coarse = rng.random((count, channels, 4, 4), dtype=np.float32)
    return coarse.repeat(math.ceil(height / 4), 2).repeat(math.ceil(width / 4), 3)[:, :, :height, :width].copy()


def mixed(classes: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Images between two of the pictures: noise changes the labels of some."""
    first, other = rng.integers(0, len(classes), (2, count))
    part = rng.uniform(0.5, 1.0, (count, 1, 1, 1)).astype(np.float32)
    return part * classes[first] + (1 - part) * classes[other]


def teach(module: nn.Module, classes: np.ndarray, rng: np.random.Generator, *, each: int = 32) -> None:
    """Fit normalisation to noisy pictures, and the last layer to their classes (ridge regression)."""
    device = next(module.parameters()).device
    labels = np.arange(len(classes)).repeat(each)
    shown = classes[labels] + rng.normal(0, 0.2, (len(labels), *classes.shape[1:])).astype(np.float32)
    order = rng.permutation(len(labels))
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    last = [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1]
    seen: list[torch.Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, given: seen.append(given[0].double().cpu()))
    batches = torch.from_numpy(shown[order]).split(64)
    with torch.no_grad():
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
            norm.train()
        for batch in batches:
            module(batch.to(device))
        module.eval()
        seen.clear()
        for batch in batches:
            module(batch.to(device))
        hook.remove()
        features, wanted = torch.cat(seen), torch.eye(len(classes), dtype=torch.float64)[labels[order]]
        centre, middle = features.mean(0), wanted.mean(0)
        apart = features - centre
        weight = 0.1 * apart.var() * len(apart)
        # Of a row for each image, as there are fewer of them than features.
        fitted = apart.T @ torch.linalg.solve(apart @ apart.T + weight * torch.eye(len(apart)), wanted - middle)
        last.weight.copy_(10 * fitted.T)
        last.bias.copy_(10 * (middle - centre @ fitted))


class _Alone(DeviceFill):
    """Rows stay as they are: the engine without noise."""

    def __call__(self, buffer: np.ndarray) -> None: ...

    def on(self, buffer: Any) -> None: ...


class Cell:
    """An engine at a number of rows, on one network's images."""

    def __init__(
        self, classifier: Classifier, engine: tuple[str, str], rows: int, images: np.ndarray, battery: Battery
    ) -> None:
        self.name, self.precision = engine
        self.plan, self.images, self.battery = plan_tiles(battery.image_rows, target=rows), images, battery
        self.engine: Engine = build_engine(classifier, *engine, self.plan.rows)
        self.readings = Readings(classifier, len(images), battery.rows, ())
        self.forwards = len(images) * battery.image_rows

    def run(self, times: int = 1) -> None:
        """Labels of all rows of all images, `times` over."""
        self.engine.run(self._tiles(times), self.readings.put)

    def alone(self, times: int = 1) -> None:
        fill = _Alone()
        self.engine.run(((key, fill) for key, _ in self._tiles(times)), lambda key, out: None)

    def _tiles(self, times: int) -> Iterator[Tile]:
        passes: Iterable[Iterator[Tile]] = (make_tiles(self.plan, self.images, self.battery) for _ in range(times))
        return itertools.chain.from_iterable(passes)


def rate_of(cell: Callable[[int], Any], forwards: int, least: float) -> Callable[[], float]:
    """Forwards a second of a call that takes at least about `least` seconds; warmed up here."""
    cell(1)
    times = max(1, math.ceil(least / max(seconds(lambda: cell(1), time.perf_counter), 1e-6)))
    return lambda: times * forwards / seconds(lambda: cell(times), time.perf_counter)


def cpu_labels(classifier: Classifier, images: np.ndarray, battery: Battery) -> np.ndarray:
    """Labels (N, rows) of eager fp32 on the CPU."""
    reference = Cell(classifier, ("eager", "fp32"), default_rows(classifier.input_shape), images, battery)
    reference.run()
    return reference.readings.labels


def measure_network(title: str, args: argparse.Namespace, *, ends: float, last: float) -> list[dict[str, Any]]:
    """A row for each cell. Rounds end at `ends`, and no cell begins after `last` (times of `time.perf_counter`)."""
    network, rng = NETWORKS[title], np.random.default_rng(SEED)
    channels, height, width = network.shape
    shape = (channels, min(height, args.most_side), min(width, args.most_side))
    sizes = [default_rows(shape), min(network.many, args.most_rows)]
    asked = [(engine, rows) for engine in ENGINES for rows in sizes]
    rows: list[dict[str, Any]] = [{"network": title, "engine": "-".join(e), "rows": r} for e, r in asked]
    if time.perf_counter() > last:
        return [told | {"not_run": TOO_LATE} for told in rows]
    torch.compiler.reset()  # it compiles one function so many times at most, and all networks are an nn.Sequential
    torch.manual_seed(SEED)
    module = network.make(shape).eval()
    flops = flops_of(module, shape)
    classes = pictures(shape, 10, rng)
    module = module.to(args.device)
    teach(module, classes, rng)
    clf = dd.as_classifier(module, input_shape=shape, num_classes=10)
    battery = Battery({"noise": dd.probes.Gaussian([0.1], draws=args.draws, seed=SEED)}, shape)
    pairs = battery.image_rows
    images = mixed(classes, max(CHECKED // pairs, 2 * max(sizes) // pairs, 1), rng)
    few = images[: max(1, CHECKED // pairs)]
    here = network.make(shape).eval()
    here.load_state_dict(module.state_dict())
    expected = cpu_labels(dd.as_classifier(here, input_shape=shape, num_classes=10), few, battery)
    rates: dict[tuple[int, str], tuple[Callable[[], float], list[float]]] = {}
    for at, ((engine, rows_each), told) in enumerate(zip(asked, rows, strict=True)):
        try:
            if time.perf_counter() > last:
                raise EngineError(TOO_LATE)
            cell = Cell(clf, engine, rows_each, images, battery)
            for how, call in (("measure", cell.run), ("alone", cell.alone)):
                rates[at, how] = rate_of(call, cell.forwards, args.least), []
        except (DoldrumError, torch.OutOfMemoryError) as error:
            told["not_run"] = str(error)[:500]
            continue
        told |= {"rows": cell.plan.rows, "mflop": flops / 1e6}
        told["agreement"] = float((cell.readings.labels[: len(few)] == expected).mean())
        told["kept_by_noise"] = float((expected[:, 1:] == expected[:, :1]).mean())
    ceilings: dict[str, tuple[Callable[[], float], list[float]]] = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        call, work = product(dtype, args.device)
        ceilings[name] = rate_of(lambda times, call=call: [call() for _ in range(times)], work, args.least), []
    rounds = 0
    while rates and rounds < args.rounds and (rounds == 0 or time.perf_counter() < ends):
        for rate, found in (*ceilings.values(), *rates.values()):
            found.append(rate())
        rounds += 1
    for at, told in enumerate(rows):
        if "not_run" in told:
            continue
        ceiling = ceilings[told["engine"].partition("-")[2]][1]
        told["rounds"], told["ceiling_tflops"] = rounds, statistics.median(ceiling) / 1e12
        for how in ("measure", "alone"):
            found = rates[at, how][1]
            told[how] = {"per_second": statistics.median(found), "share": spread([r * flops for r in found], ceiling)}
        told["goal"] = network.goal if told["engine"].endswith("bf16") else None
    return rows


def in_words(row: dict[str, Any]) -> str:
    head = f"{row['network']:16} {row['engine']:13} {row['rows']:5} rows"
    if "not_run" in row:
        return f"{head}  NOT RUN: {row['not_run']}"
    measure, alone = row["measure"], row["alone"]
    goal = "" if row["goal"] is None else f" (aim {row['goal']:.2f})"
    return (
        f"{head} {measure['per_second']:13,.0f}/s  share {said(measure['share'])}{goal}  engine alone {said(alone['share'])}  "
        f"labels as the CPU's {row['agreement']:.1%}  {row['rounds']} rounds"
    )


def run_tests() -> tuple[bool, str]:
    """Whether all CUDA tests passed, and pytest's last line. A stranger library's warning is no failure here."""
    command = [sys.executable, "-m", "pytest", "-W", "default", "-p", "no:cacheprovider", str(TESTS)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=TESTS_MOST, start_new_session=False
        )
    except subprocess.TimeoutExpired:
        return False, f"not finished in {TESTS_MOST:.0f} s"
    if done.returncode:
        print(done.stdout[-6000:], done.stderr[-2000:], sep="\n")
    lines = done.stdout.strip().splitlines() or [f"exit code {done.returncode}"]
    return done.returncode == 0, lines[-1]


def about_device(device: str) -> dict[str, Any]:
    if device != "cuda":
        return {"device": "cpu"}
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        driver = subprocess.run(query, capture_output=True, text=True, timeout=20).stdout.split("\n")[0].strip()
    except (OSError, subprocess.TimeoutExpired):
        driver = ""
    return {
        "device": torch.cuda.get_device_name(0),
        "driver": driver or "unknown",
        "cuda": torch.version.cuda,
        "torch": torch.__version__,
    }


def main(arguments: list[str] | None = None) -> int:
    begun = time.perf_counter()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="a file to write settings, device, versions and all rows to")
    parser.add_argument("--budget", type=float, default=420.0, help="seconds for all of it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--no-tests", action="store_true", help="leave out the CUDA tests")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"], help="cpu: a dry run, with --quick")
    parser.add_argument("--quick", action="store_true", help="few draws and rows, one short round: does it run?")
    args = parser.parse_args(arguments)
    args.draws, args.least, args.most_rows, args.most_side = (
        (3, 0.0, 16, 32) if args.quick else (DRAWS, 0.5, 1 << 20, 224)
    )
    args.rounds = 1 if args.quick else args.rounds
    if args.device == "cuda" and not torch.cuda.is_available():
        print(
            f"expected a CUDA device, got none (torch {torch.__version__}); run it on a machine with a GPU, or try it by --device cpu --quick",
            file=sys.stderr,
        )
        return 2
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    found: dict[str, Any] = {
        **about_device(args.device),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": SEED,
        "settings": {key: str(value) if isinstance(value, Path) else value for key, value in vars(args).items()},
        **versions_and_machine(),
        "rows": [],
    }
    print(", ".join(f"{key} {found[key]}" for key in ("device", "driver", "cuda", "torch", "date") if key in found))
    fine = True
    if not args.no_tests:
        fine, found["tests"] = run_tests()
        print(f"CUDA tests: {found['tests']}", flush=True)
    titles = args.networks.split(",")
    for at, title in enumerate(titles):
        now, last = time.perf_counter(), begun + args.budget
        for row in measure_network(title, args, ends=now + (last - now) / (len(titles) - at), last=last):
            print(in_words(row), flush=True)
            found["rows"].append(row)
            fine = fine and "not_run" not in row and row["agreement"] >= MIN_AGREEMENT
        found["seconds"], found["load_average"] = time.perf_counter() - begun, os.getloadavg()
        if args.json:  # after each network: what ends the run leaves what is done
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps(found, indent=2) + "\n")
    print(f"{found['seconds']:.0f} s; {'all cells run, labels agree' if fine else 'NOT all well: see above'}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
