"""Forwards a second by network and engine, in one run: python bench/engines.py [--json FILE].

The plain loop is eager fp32, one input's draws a batch, new noise each time. "ART" is the same count as the
Adversarial Robustness Toolbox makes it, by `NumpyRandomizedSmoothing` (the extra `bench`; left out where it isn't installed).
A ceiling is what a 2048 x 2048 x 2048 product (8192 on a GPU) in fp32 or bf16, timed in the same round, would allow (2 x MACs, attention's products
among them); bf16 only where the processor multiplies it. A share is of the product in the engine's own precision. Rounds alternate, so
ratios are of one moment; the table shows their median and spread.

`--device cuda` puts networks, plain loop, ART and ceiling on the GPU, and `--check` compares each engine's labels with the network's own.
What a GPU can do, and whether its labels are the CPU's, `bench/gpu.py` asks.

On a machine that does other work at the same time, a clock on the wall shows that work. `--processor-time` gives each call one thread
and counts the time for which the processor worked for it: forwards per second of one core.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from forwards import NETWORKS, flops_of, product, said, seconds, spread

import doldrum as dd
from doldrum.engines import EngineChoice, default_rows
from doldrum.errors import DoldrumError
from doldrum.measuring import Measurement
from doldrum.measuring.checked import Checked, this_machine
from doldrum.measuring.tiles import plan_tiles
from doldrum.networks import build
from doldrum.provenance import versions_and_machine


def naive(module: torch.nn.Module, images: np.ndarray, draws: int) -> None:
    device = next(module.parameters()).device
    with torch.no_grad():
        for image in torch.from_numpy(images).to(device):
            noisy = image + 0.1 * torch.randn((draws, *image.shape), device=device)
            np.bincount(module(noisy).argmax(1).cpu().numpy(), minlength=10)


def art_counts(module: torch.nn.Module, shape: tuple[int, ...], draws: int) -> Callable[[np.ndarray], Any] | None:
    """The label counts of some images as ART makes them."""
    try:
        from art.estimators.certification.randomized_smoothing import NumpyRandomizedSmoothing
        from art.estimators.classification import PyTorchClassifier
    except ImportError:
        return None
    loss = torch.nn.CrossEntropyLoss()
    kind = "cpu" if next(module.parameters()).device.type == "cpu" else "gpu"
    classifier = PyTorchClassifier(
        module, loss, input_shape=shape, nb_classes=10, clip_values=(0.0, 1.0), device_type=kind
    )
    smoothed = NumpyRandomizedSmoothing(classifier, sample_size=draws, scale=0.1)
    return lambda images: [smoothed._prediction_counts(image, batch_size=128) for image in images]


def _split(engine: str) -> tuple[str, str]:
    """The engine and its precision; the one that says none computes in fp32."""
    name, _, precision = engine.partition("-")
    return name, precision or "fp32"


def measure_network(
    title: str, engines: list[str], products: dict[str, tuple[Callable[[], Any], int]], args: Any
) -> list[dict]:
    torch.manual_seed(0)
    name, shape = NETWORKS[title]
    try:
        module = build(name, input_shape=shape, num_classes=10).eval()
    except DoldrumError as error:
        print(f"{title}: left out ({error})")
        return []
    flops = flops_of(module, shape)
    module = module.to(args.device)
    inputs = args.inputs if flops < 1e8 else max(1, args.inputs // 10)  # a large network still ends in minutes
    images = np.random.default_rng(0).random((inputs, *shape), dtype=np.float32)
    clf = dd.as_classifier(module, input_shape=shape, num_classes=10)
    probe = dd.probes.Gaussian([0.1], draws=args.draws, seed=0)
    forwards, tile = inputs * (args.draws + 1), plan_tiles(args.draws + 1, target=default_rows(shape)).rows
    calls = {engine: (call, work / flops) for engine, (call, work) in products.items()}
    ceilings = {engine: engine for engine in products}
    if not args.engines_only:
        calls["plain loop"] = (lambda: naive(module, images, args.draws), inputs * args.draws)
        if art := art_counts(module, shape, args.draws):
            calls["ART"] = (lambda: art(images), inputs * args.draws)
    runs: dict[str, Measurement] = {}
    for engine in engines:
        try:
            # As if its labels had been checked: that takes longer than a round.
            choice = EngineChoice(*_split(engine), agreement=float("nan"), checked=0, mixes_inputs=True)
            known = None if args.check else Checked(clf.fingerprint, tile, choice, (), this_machine())
            runs[engine] = Measurement(clf, images, probe, engine=engine, checked=known)
        except DoldrumError as error:
            print(f"{title}: no {engine} ({error})")
            continue
        calls[engine] = (lambda run=runs[engine]: list(run.chunks()), forwards)
        ceilings[engine] = f"ceiling {runs[engine].engine.precision}"
    for call, _ in calls.values():  # nothing is timed while it is made ready
        call()
    clock = time.process_time if args.processor_time else time.perf_counter
    rates: dict[str, list[float]] = {engine: [] for engine in calls}
    for _ in range(args.repeats):
        for engine, (call, work) in calls.items():
            rates[engine].append(work / seconds(call, clock))
    rows = []
    for engine, rate in rates.items():
        row = {
            "network": title,
            "mflop": flops / 1e6,
            "tile": tile if engine in runs else None,
            "slice": getattr(runs[engine].engine, "slice", tile) if engine in runs else None,
            "engine": engine,
            "forwards_per_second": statistics.median(rate),
            "share_of_ceiling": spread(rate, rates[ceilings.get(engine, "ceiling fp32")]),
        }
        text = f"{title:18} {engine:14} {row['forwards_per_second']:10,.0f}/s  share {said(row['share_of_ceiling'])}"
        for other in ("plain loop", "ART"):
            if other in rates:
                row[f"ratio_to_{other}"] = spread(rate, rates[other])
                text += f"  x {said(row[f'ratio_to_{other}'])} {other}"
        if args.check and engine in runs:
            row["agreement"] = runs[engine].checked.choice.agreement
            text += f"  labels agree on {row['agreement']:.1%}"
        rows.append(row)
        print(text, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=250)
    parser.add_argument(
        "--inputs", type=int, default=20, help="of the small networks; a tenth of them for the large ones"
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--engines", help="by default all, openvino-bf16 only where the processor multiplies it")
    parser.add_argument("--engines-only", action="store_true", help="leave out the plain loop and ART")
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--processor-time", action="store_true", help="one thread, and its time on the processor")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--check", action="store_true", help="compare labels with the network's own, too")
    parser.add_argument("--json", type=Path, help="a file to write settings, versions, machine and all rows to")
    args = parser.parse_args()
    if args.processor_time:
        os.environ["DOLDRUM_THREADS"] = "1"
        torch.set_num_threads(1)
    products = {"ceiling fp32": product(torch.float32, args.device)}
    names = ("amx_tile", "avx512_bf16")
    if args.device != "cpu" or any(getattr(torch.cpu, f"_is_{name}_supported", lambda: False)() for name in names):
        products["ceiling bf16"] = product(torch.bfloat16, args.device)
    engines = [
        "eager",
        "openvino-fp32",
        *(["openvino-bf16"] if "ceiling bf16" in products else []),
        "onnxruntime-fp32",
        "compile-fp32",
    ]
    if args.engines:
        engines = args.engines.split(",")
    rows = [row for title in args.networks.split(",") for row in measure_network(title, engines, products, args)]
    if args.json:
        settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
        found = {"settings": settings, "load_average": os.getloadavg(), "rows": rows, **versions_and_machine()}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
