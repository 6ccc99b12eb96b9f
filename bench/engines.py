"""Forwards a second by network and engine, in one run: python bench/engines.py [--json FILE].

The plain loop is eager fp32, one input's draws a batch, new noise each time. "ART" is the same count as the
Adversarial Robustness Toolbox makes it, by `NumpyRandomizedSmoothing` (the extra `bench`; left out where it isn't installed).
A ceiling is what a 2048 x 2048 x 2048 product in fp32 or bf16, timed in the same round, would allow (2 x MACs); bf16 only where
the processor multiplies it. Shares are of the faster of the two. Rounds alternate, so ratios are of one moment; the table shows their median and spread.
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
from torch.utils.flop_counter import FlopCounterMode

import doldrum as dd
from doldrum.errors import DoldrumError
from doldrum.measuring import Measurement
from doldrum.networks import build
from doldrum.provenance import versions_and_machine

NETWORKS = {
    "small CNN": ("fashion-cnn", (1, 28, 28)),
    "PreActResNet-18": ("preact-resnet18", (3, 32, 32)),
    "small ViT": ("vit-small", (3, 32, 32)),
}


def naive(module: torch.nn.Module, images: np.ndarray, draws: int) -> None:
    with torch.no_grad():
        for image in torch.from_numpy(images):
            noisy = image + 0.1 * torch.randn((draws, *image.shape))
            np.bincount(module(noisy).argmax(1).numpy(), minlength=10)


def art_counts(module: torch.nn.Module, shape: tuple[int, ...], draws: int) -> Callable[[np.ndarray], Any] | None:
    """The label counts of some images as ART makes them."""
    try:
        from art.estimators.certification.randomized_smoothing import NumpyRandomizedSmoothing
        from art.estimators.classification import PyTorchClassifier
    except ImportError:
        return None
    loss = torch.nn.CrossEntropyLoss()
    classifier = PyTorchClassifier(module, loss, input_shape=shape, nb_classes=10, clip_values=(0.0, 1.0))
    smoothed = NumpyRandomizedSmoothing(classifier, sample_size=draws, scale=0.1)
    return lambda images: [smoothed._prediction_counts(image, batch_size=128) for image in images]


def product(precision: torch.dtype) -> Callable[[], Any]:
    left, right = (torch.randn(2048, 2048).to(precision) for _ in range(2))
    return lambda: torch.mm(left, right)


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=250)
    parser.add_argument(
        "--inputs", type=int, default=20, help="of the small CNN; a tenth of them for the large networks"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--engines", help="by default all, openvino-bf16 only where the processor multiplies it")
    parser.add_argument("--networks", default="small CNN,PreActResNet-18,small ViT")
    parser.add_argument("--json", type=Path, help="a file to write settings, versions, machine and all rows to")
    args = parser.parse_args()
    rows = []
    products = {"ceiling fp32": product(torch.float32)}
    if any(getattr(torch.cpu, f"_is_{name}_supported", lambda: False)() for name in ("amx_tile", "avx512_bf16")):
        products["ceiling bf16"] = product(torch.bfloat16)
    engines = [
        "eager",
        "openvino-fp32",
        *(["openvino-bf16"] if "ceiling bf16" in products else []),
        "onnxruntime",
        "compile-fp32",
    ]
    if args.engines:
        engines = args.engines.split(",")
    for title in args.networks.split(","):
        torch.manual_seed(0)
        name, shape = NETWORKS[title]
        module = build(name, input_shape=shape, num_classes=10).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(torch.zeros(1, *shape))
        flops = counter.get_total_flops()
        inputs = args.inputs if flops < 1e8 else max(1, args.inputs // 10)  # a large network still ends in minutes
        images = np.random.default_rng(0).random((inputs, *shape), dtype=np.float32)
        clf = dd.as_classifier(module, input_shape=shape, num_classes=10)
        probe = dd.probes.Gaussian([0.1], draws=args.draws, seed=0)
        runs: dict[str, Measurement] = {}
        for engine in engines:
            try:
                runs[engine] = Measurement(clf, images, probe, engine=engine)
            except DoldrumError as error:
                print(f"{title}: no {engine} ({error})")
        art = art_counts(module, shape, args.draws)
        plain = ["plain loop", *(["ART"] if art else [])]
        rates: dict[str, list[float]] = {name: [] for name in (*products, *plain, *runs)}
        forwards = inputs * (args.draws + 1)
        for _ in range(args.repeats):
            for name, call in products.items():
                rates[name].append(2 * 2048**3 / seconds(call) / flops)
            rates["plain loop"].append(
                inputs * args.draws / seconds(lambda m=module, x=images: naive(m, x, args.draws))
            )
            if art:
                rates["ART"].append(inputs * args.draws / seconds(lambda a=art, x=images: a(x)))
            for engine, run in runs.items():
                rates[engine].append(forwards / seconds(lambda run=run: list(run.chunks())))
        for engine, rate in rates.items():
            ratio = [a / b for a, b in zip(rate, rates["plain loop"], strict=True)]
            share = [a / max(b) for a, *b in zip(rate, *(rates[name] for name in products), strict=True)]
            to_art = [a / b for a, b in zip(rate, rates["ART"], strict=True)] if art else [float("nan")]
            rows.append(
                {
                    "network": title,
                    "mflop": flops / 1e6,
                    "engine": engine,
                    "forwards_per_second": statistics.median(rate),
                    "ratio_to_plain": statistics.median(ratio),
                    "ratio_min": min(ratio),
                    "ratio_max": max(ratio),
                    "ratio_to_art": statistics.median(to_art),
                    "ratio_to_art_min": min(to_art),
                    "ratio_to_art_max": max(to_art),
                    "share_of_ceiling": statistics.median(share),
                }
            )
            r = rows[-1]
            print(
                f"{title:16} {engine:14} {r['forwards_per_second']:10,.0f}/s  x{r['ratio_to_plain']:.2f} the plain loop "
                f"({r['ratio_min']:.2f} to {r['ratio_max']:.2f})  x{r['ratio_to_art']:.2f} ART "
                f"({r['ratio_to_art_min']:.2f} to {r['ratio_to_art_max']:.2f})  {r['share_of_ceiling']:.0%} of the ceiling",
                flush=True,
            )
    if args.json:
        settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
        found = {"settings": settings, "load_average": os.getloadavg(), "rows": rows, **versions_and_machine()}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
