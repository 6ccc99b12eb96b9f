"""Speed of measure() against the plain loop, in one run: `make bench`.

The plain loop is what the reference smoothing code and the common toolkits do: eager fp32, one input's draws a batch,
new noise each time. Prints a table, and writes JSON with --json FILE. Ratios are of medians of alternating repeats.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import torch

import doldrum as dd
from doldrum.measuring import Measurement
from doldrum.provenance import versions_and_machine

STRENGTHS, DRAWS = [0.05, 0.1, 0.2, 0.4], 100


def naive(module: torch.nn.Module, images: np.ndarray, num_classes: int) -> np.ndarray:
    counts = np.zeros((len(images), len(STRENGTHS), num_classes), dtype=np.int64)
    with torch.no_grad():
        for i, image in enumerate(torch.from_numpy(images)):
            for c, sigma in enumerate(STRENGTHS):
                noisy = image + sigma * torch.randn((DRAWS, *image.shape))
                counts[i, c] = np.bincount(module(noisy).argmax(1).numpy(), minlength=num_classes)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--naive-inputs", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--model", type=Path, help="a checkpoint; default: the demo's, else one is trained")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--json", type=Path, help="a file to write all figures, versions and machine to")
    args = parser.parse_args()

    found = [args.model] if args.model else sorted(Path("doldrum-demo").glob("backdoored-*.safetensors"))
    model = dd.load_checkpoint(found[0]) if found else dd.train(dd.load_dataset("fashion-mnist:train"), seed=0)
    images = dd.load_dataset("fashion-mnist:test").take(range(args.inputs))
    floats = images.images.astype(np.float32) / 255
    probe = dd.probes.Gaussian(STRENGTHS, draws=DRAWS, seed=0)

    forwards = len(STRENGTHS) * DRAWS
    rates: dict[str, list[float]] = {"naive": [], "measure": [], "steady": []}
    for _ in range(args.repeats):
        start = time.perf_counter()
        naive(model.module, floats[: args.naive_inputs], model.num_classes)
        rates["naive"].append(args.naive_inputs * forwards / (time.perf_counter() - start))
        start = time.perf_counter()
        responses = dd.measure(model, images, probe, engine=args.engine, progress=False)
        rates["measure"].append(args.inputs * forwards / (time.perf_counter() - start))
        run = Measurement(model, images, probe, engine=args.engine)
        start = time.perf_counter()
        for _chunk in run.chunks():
            pass
        rates["steady"].append(args.inputs * forwards / (time.perf_counter() - start))

    median = {name: statistics.median(values) for name, values in rates.items()}
    ratios = {name: sorted(a / b for a, b in zip(rates[name], rates["naive"], strict=True)) for name in rates}
    result = {
        "inputs": args.inputs,
        "strengths": STRENGTHS,
        "draws": DRAWS,
        "repeats": args.repeats,
        "engine": responses.info["engine"],
        "seconds": {name: args.inputs * forwards / rate for name, rate in median.items()},
        "forwards_per_second": {n: {"median": median[n], "min": min(v), "max": max(v)} for n, v in rates.items()},
        "ratio_to_naive": {n: {"median": statistics.median(v), "min": v[0], "max": v[-1]} for n, v in ratios.items()},
        **versions_and_machine(),
    }
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(result, indent=2) + "\n")
    engine = result["engine"]
    print(f"{args.inputs} inputs x {len(STRENGTHS)} strengths x {DRAWS} draws, {args.repeats} repeats")
    print(f"engine {engine['engine']} {engine['precision']}, agreement with fp32 {engine['agreement']:.1%}")
    print(f"{'':38}{'seconds':>9}{'forwards/s':>12}{'ratio':>8}   spread")
    names = {
        "naive": "plain loop (eager fp32, one input a batch)",
        "measure": "measure()",
        "steady": "  without set-up",
    }
    for name, title in names.items():
        ratio = result["ratio_to_naive"][name]
        print(
            f"{title:42}{result['seconds'][name]:>5.1f}{median[name]:>12,.0f}{ratio['median']:>8.1f}"
            f"   {ratio['min']:.1f} to {ratio['max']:.1f}"
        )


if __name__ == "__main__":
    main()
