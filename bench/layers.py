"""Where a forward's time goes, by kind of layer, on one core: python bench/layers.py [--networks ...].

OpenVINO's own profile of each layer, in the slices that the engine takes; the least of many rounds, because on a machine that does other
work a layer that was interrupted took longer. Beside it: FLOPs (2 x MACs, from the weights' shapes) and the bytes that go into and out of
the layers, a second, and what this core can do at most: a 2048-square product, and a copy of 128 MiB (bytes read and written).
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import doldrum as dd
from doldrum.classifiers.adapters.openvino import openvino_core, openvino_library
from doldrum.engines import default_rows
from doldrum.engines.openvino import _graph, _traffic
from doldrum.engines.slices import slice_rows
from doldrum.networks import build
from engines import NETWORKS, flops_of, product

PRECISIONS = {"fp32": ("f32", torch.float32, 4), "bf16": ("bf16", torch.bfloat16, 2)}
CONFIG = {"PERF_COUNT": True, "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": "1", "ENABLE_CPU_PINNING": False}
KINDS = {
    "GroupConvolution": "depthwise convolutions",
    "Convolution": "other convolutions",
    "FullyConnected": "linear layers",
    "Subgraph": "attention, elementwise",
    "MVN": "layer norms",
    "Transpose": "transposes",
}


def least(call: Callable[[], Any], rounds: int = 7) -> float:
    """Seconds on the processor, of the round with the fewest."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def compiled(module: torch.nn.Module, shape: tuple[int, int, int], precision: str) -> tuple[Any, int]:
    """The network as the engine has it, with counters, and the rows that it takes at once."""
    hint, _, each = PRECISIONS[precision]
    graph, rows = (
        _graph(openvino_library(), dd.as_classifier(module, input_shape=shape, num_classes=10)),
        default_rows(shape),
    )
    graph.reshape([rows, *shape])
    weights, layers = _traffic(graph, rows, each=each)
    rows = slice_rows(rows, weights=weights, layers=layers)
    graph.reshape([rows, *shape])
    return openvino_core().compile_model(graph, "CPU", {**CONFIG, "INFERENCE_PRECISION_HINT": hint}), rows


def work(model: Any, each: int) -> dict[str, tuple[bool, int, int]]:
    """Of every layer that runs, by name: whether it is a 1 x 1 convolution, its FLOPs and its bytes."""
    found = {}
    for node in model.get_runtime_model().get_ordered_ops():
        sources = [port.get_source_output().get_node() for port in node.inputs()]
        constant = [not source.inputs() and source.get_type_name() != "Parameter" for source in sources]
        moving = [math.prod(port.get_shape()) for port, fixed in zip(node.inputs(), constant, strict=True) if not fixed]
        out = math.prod(node.output(0).get_shape()) if node.outputs() else 0
        weights = tuple(node.input(1).get_shape()) if constant[1:2] == [True] else ()
        grouped = len(weights) == 5  # groups, channels out, channels in, height, width
        macs = out * math.prod(weights[2 if grouped else 1 :]) if len(weights) > 1 else 0
        found[node.get_friendly_name()] = (weights[2:] == (1, 1), 2 * macs, each * (sum(moving) + out))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default="small ViT,EfficientNet-Lite0")
    parser.add_argument("--precisions", default="fp32,bf16")
    parser.add_argument("--rounds", type=int, default=25)
    args = parser.parse_args()
    torch.set_num_threads(1)
    source, target = np.ones(1 << 25, np.float32), np.zeros(1 << 25, np.float32)
    print(f"copy: {2 * source.nbytes / least(lambda: np.copyto(target, source)) / 1e9:.1f} GB/s")
    for precision in args.precisions.split(","):
        call, count = product(PRECISIONS[precision][1])
        print(f"product {precision}: {count / least(call) / 1e9:.0f} GFLOP/s")
    for title in args.networks.split(","):
        name, shape = NETWORKS[title]
        module = build(name, input_shape=shape, num_classes=10).eval()
        for precision in args.precisions.split(","):
            model, rows = compiled(module, shape, precision)
            request = model.create_infer_request()
            images = np.random.default_rng(0).random((rows, *shape), dtype=np.float32)
            times: dict[tuple[str, str], float] = {}
            for _ in range(args.rounds):
                request.infer({0: images})
                for one in request.profiling_info:
                    key, took = (one.node_name, one.node_type), one.real_time.total_seconds()
                    times[key] = min(times.get(key, math.inf), took)
            known, total = work(model, PRECISIONS[precision][2]), sum(times.values())
            sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
            for (node, kind), took in times.items():
                pointwise, *counts = known.get(node, (False, 0, 0))
                label = "1 x 1 convolutions" if pointwise else KINDS.get(kind, "the rest")
                sums[label] = [a + b for a, b in zip(sums[label], (took, *counts), strict=True)]
            flops = flops_of(module, shape) * rows
            # What has no weights: the products of attention.
            sums["attention, elementwise"][1] = max(0.0, flops - sum(s[1] for s in sums.values()))
            print(
                f"{title}, {precision}, {rows} rows at once: {total / rows * 1e3:.3f} ms, {flops / total / 1e9:.0f} GFLOP/s"
            )
            for label, (took, count, moved) in sorted(sums.items(), key=lambda item: -item[1][0]):
                if took > 0:
                    rates = f"{count / took / 1e9:5.0f} GFLOP/s, {moved / took / 1e9:5.1f} GB/s"
                    print(f"  {label:24} {took / total:6.1%} of the time, {count / flops:6.1%} of the FLOPs; {rates}")


if __name__ == "__main__":
    main()
