"""Where a forward's time goes, by kind of layer, on one core: python bench/layers.py [--networks ...].

Each layer with weights by itself, in OpenVINO and in the slices that the engine takes of the network; what the whole network takes longer
than their sum is the rest: attention, elementwise layers, transposes. Times are of the processor, so other work on the machine changes
them little. Beside them: FLOPs (2 x MACs) and the bytes that go into and out of the layers, a second, and what this core can do at most:
a 2048-square product, and a copy of 128 MiB (bytes read and written).
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from forwards import NETWORKS, flops_of, product
from torch import nn

import doldrum as dd
from doldrum.classifiers.adapters.openvino import openvino_core, openvino_library
from doldrum.engines import default_rows
from doldrum.engines.openvino import OpenVINOEngine
from doldrum.networks import build

PRECISIONS = {"fp32": ("f32", torch.float32, 4), "bf16": ("bf16", torch.bfloat16, 2)}
CONFIG = {"NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": "1", "ENABLE_CPU_PINNING": False}


def typical(call: Callable[[], Any], rounds: int = 5, least: float = 0.02) -> float:
    """Seconds on the processor a call: the median of rounds of `least` seconds or more."""
    call()
    times = []
    for _ in range(rounds):
        start, calls = time.process_time(), 0
        while calls == 0 or time.process_time() - start < least:
            call()
            calls += 1
        times.append((time.process_time() - start) / calls)
    return statistics.median(times)


def seconds(module: nn.Module, shape: tuple[int, ...], precision: str, *, inside: bool = True) -> float:
    """Of one call; `inside` a network convolutions pass on images with the channels last, and needn't turn them round."""
    ov = openvino_library()
    with torch.no_grad():
        graph = ov.convert_model(module.eval(), example_input=torch.zeros(shape))
    graph.reshape(list(shape))
    if inside and len(shape) == 4:
        steps = ov.preprocess.PrePostProcessor(graph)
        for end in (steps.input(), steps.output()):
            end.tensor().set_layout(ov.Layout("NHWC"))
            end.model().set_layout(ov.Layout("NCHW"))
        graph = steps.build()
    model = openvino_core().compile_model(
        graph, "CPU", {**CONFIG, "INFERENCE_PRECISION_HINT": PRECISIONS[precision][0]}
    )
    request = model.create_infer_request()
    images = request.get_input_tensor(0).data
    images[:] = np.random.default_rng(0).random(images.shape, dtype=np.float32)
    return typical(request.infer)


def weighted(module: nn.Module, shape: tuple[int, ...]) -> Counter[tuple[str, str, tuple[int, ...], tuple[int, ...]]]:
    """How often each kind of layer occurs: label, settings, shapes of input and output of one row."""
    found: Counter[tuple[str, str, tuple[int, ...], tuple[int, ...]]] = Counter()

    def note(layer: nn.Module, given: Any, out: torch.Tensor) -> None:
        label = "linear layers"
        if isinstance(layer, nn.Conv2d):
            label = "1 x 1 convolutions" if layer.kernel_size == (1, 1) else "other convolutions"
            label = "depthwise convolutions" if layer.groups > 1 else label
        found[label, repr(layer), tuple(given[0].shape[1:]), tuple(out.shape[1:])] += 1
        layers[repr(layer)] = layer

    kinds = (nn.Conv2d, nn.Linear)
    hooks = [layer.register_forward_hook(note) for layer in module.modules() if isinstance(layer, kinds)]
    with torch.no_grad():
        module(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    return found


layers: dict[str, nn.Module] = {}


def profile(title: str, precision: str, nothing: float) -> None:
    name, shape = NETWORKS[title]
    module = build(name, input_shape=shape, num_classes=10).eval()
    clf = dd.as_classifier(module, input_shape=shape, num_classes=10)
    rows = OpenVINOEngine(clf, rows=default_rows(shape), precision=precision).slice
    whole, flops = seconds(module, (rows, *shape), precision, inside=False) - nothing, rows * flops_of(module, shape)
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for (label, settings, given, out), times in weighted(module, shape).items():
        took = seconds(layers[settings], (rows, *given), precision) - nothing
        macs = math.prod(out) * layers[settings].weight[0].numel()  # pyright: ignore[reportIndexIssue]
        moved = PRECISIONS[precision][2] * (math.prod(given) + math.prod(out))
        for at, value in enumerate((took, 2 * rows * macs, rows * moved)):
            sums[label][at] += times * value
    print(f"{title}, {precision}, {rows} rows at once: {whole / rows * 1e3:.3f} ms, {flops / whole / 1e9:.0f} GFLOP/s")
    for label, (took, count, moved) in sorted(sums.items(), key=lambda item: -item[1][0]):
        rates = f"{count / took / 1e9:5.0f} GFLOP/s, {moved / took / 1e9:5.1f} GB/s"
        print(f"  {label:24} {took / whole:6.1%} of the time, {count / flops:6.1%} of the FLOPs; {rates}")
    left = 1 - sum(s[0] for s in sums.values()) / whole
    print(
        f"  {'the rest':24} {left:6.1%} of the time, {1 - sum(s[1] for s in sums.values()) / flops:6.1%} of the FLOPs",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default="small ViT,EfficientNet-Lite0")
    parser.add_argument("--precisions", default="fp32,bf16")
    args = parser.parse_args()
    torch.set_num_threads(1)
    source, target = np.ones(1 << 25, np.float32), np.zeros(1 << 25, np.float32)
    print(f"copy: {2 * source.nbytes / typical(lambda: np.copyto(target, source)) / 1e9:.1f} GB/s")
    for precision in args.precisions.split(","):
        call, count = product(PRECISIONS[precision][1])
        print(f"product {precision}: {count / typical(call) / 1e9:.0f} GFLOP/s", flush=True)
    nothing = seconds(nn.ReLU(), (1, 1), "fp32")
    for title in args.networks.split(","):
        for precision in args.precisions.split(","):
            profile(title, precision, nothing)


if __name__ == "__main__":
    main()
