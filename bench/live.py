"""One image, one verdict: forwards and latency of a Guard, a scan, fit and calibrate: python bench/live.py [--json FILE].

Forwards are counted at a label function. Latency is that of `Guard` with `SmoothnessProfile`, and with `StagedProfile`, on one image, beside 64 rows through the same engine
alone, one batch of them each time, in turns, so that the ratio is of one moment; the table shows percentiles of both, and of what the
perturbations, the model and the score take. "remote" is a label function that sleeps 20 ms a request, as an endpoint might.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch

import doldrum as dd
from doldrum.detectors import Guard, SmoothnessProfile, StagedProfile
from doldrum.networks import build
from doldrum.provenance import versions_and_machine

NETWORKS = {"small CNN": ("fashion-cnn", (1, 28, 28)), "ResNet-18": ("preact-resnet18", (3, 32, 32))}


def counts(shape: tuple[int, int, int] = (1, 8, 8)) -> list[dict]:
    shown: list[int] = []

    def label(x: np.ndarray) -> np.ndarray:
        shown.append(len(x))
        return (x.reshape(len(x), 4, -1).mean(axis=2)).argmax(axis=1)

    clf = dd.as_classifier(label, input_shape=shape, num_classes=4, outputs="labels")
    images = np.random.default_rng(0).random((1700, *shape), dtype=np.float32)
    rows: list[dict] = []

    def note(what: str, count: int) -> None:
        rows.append(
            {
                "call": what,
                "images": count,
                "batches": len(shown),
                "forwards": sum(shown),
                "an_image": sum(shown) / count,
            }
        )
        print(
            f"{what:24} {count:5} images {len(shown):6} batches {sum(shown):8,} forwards, {sum(shown) / count:7.1f} an image",
            flush=True,
        )
        shown.clear()

    detector = SmoothnessProfile(seed=0).fit(clf, images[:150])
    note("fit", 150)
    detector.calibrate(images[150:300], fpr=0.05)
    note("calibrate", 150)
    for count in (1, 10, 50, 100, 250, 1300):
        detector.scan(images[300 : 300 + count])
        note("scan", count)
    guard = Guard(clf, detector)
    for count in (1, 1, 8):
        guard(images[:count])
        note("Guard", count)
    return rows


def latency(title: str, repeats: int, engine_name: str) -> dict:
    torch.manual_seed(0)
    name, shape = NETWORKS[title]
    module = build(name, input_shape=shape, num_classes=10).eval()
    clf = dd.as_classifier(module, input_shape=shape, num_classes=10)
    images = np.random.default_rng(0).random((600, *shape), dtype=np.float32)
    few = 60 if title == "ResNet-18" else 250
    detector = SmoothnessProfile(seed=0).fit(clf, images[:few])
    detector.engine = detector.engine if engine_name == "auto" else engine_name
    detector.calibrate(images[few : 2 * few], fpr=0.05)
    staged = StagedProfile(seed=0).fit(clf, images[:few])
    staged.engine = detector.engine
    staged.calibrate(images[few : 2 * few], fpr=0.05)
    guard, in_stages = Guard(clf, detector), Guard(clf, staged)
    engine = detector.run(detector.taken(images[:1])).engine
    batch = np.random.default_rng(1).random((engine.rows, *shape), dtype=np.float32)

    def fill(buffer: np.ndarray) -> None:
        buffer[:] = batch

    def alone() -> None:
        engine.run([(0, fill)], lambda key, output: None)

    times: dict[str, list[float]] = {"engine": [], "guard": [], "staged": []}
    for turn in range(repeats + 3):
        image = images[500 + turn % 100][None]
        calls = {
            "engine": alone,
            "guard": lambda image=image: guard(image),
            "staged": lambda image=image: in_stages(image),
        }
        for what, call in calls.items():
            start = time.perf_counter()
            call()
            if turn >= 3:  # warm
                times[what].append(1000 * (time.perf_counter() - start))
    found: dict = {"network": title, "engine": detector.engine, "rows": engine.rows, "repeats": repeats}
    for what, taken in times.items():
        found[what] = dict(
            zip(("p10", "p50", "p95"), np.quantile(taken, [0.1, 0.5, 0.95]).round(3).tolist(), strict=True)
        )
    for what in ("guard", "staged"):
        found[f"{what} ratio"] = {p: round(found[what][p] / found["engine"][p], 3) for p in ("p10", "p50", "p95")}
    print(
        f"{title:10} {detector.engine:16} ms, p10 / p50 / p95: "
        + "; ".join(
            f"{w} {' / '.join(f'{v:.2f}' for v in found[w].values())}"
            for w in ("engine", "guard", "guard ratio", "staged", "staged ratio")
        ),
        flush=True,
    )
    return found


def remote(repeats: int) -> dict:
    def label(x: np.ndarray) -> np.ndarray:
        time.sleep(0.02)
        return (x.reshape(len(x), 4, -1).mean(axis=2)).argmax(axis=1)

    shape = (1, 28, 28)
    clf = dd.as_classifier(label, input_shape=shape, num_classes=4, outputs="labels")
    images = np.random.default_rng(0).random((200, *shape), dtype=np.float32)
    guard = Guard(clf, SmoothnessProfile(seed=0).fit(clf, images[:60]).calibrate(images[60:120], fpr=0.05))
    taken = []
    for image in images[120 : 120 + repeats]:
        start = time.perf_counter()
        guard(image[None])
        taken.append(1000 * (time.perf_counter() - start))
    found = {"network": "remote", "guard": {"p50": float(np.median(taken)), "p95": float(np.quantile(taken, 0.95))}}
    print(
        f"remote     20 ms a request  ms, p50 / p95: guard {found['guard']['p50']:.1f} / {found['guard']['p95']:.1f}",
        flush=True,
    )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=300, help="of the small CNN; a tenth of them for ResNet-18")
    parser.add_argument("--networks", default="small CNN,ResNet-18")
    parser.add_argument("--engine", default="auto", help="of the networks")
    parser.add_argument("--json", type=Path, help="a file to write settings, versions, machine and all rows to")
    args = parser.parse_args()
    found: dict = {"counts": counts(), "latency": [remote(50)]}
    for title in args.networks.split(","):
        found["latency"].append(latency(title, args.repeats // (10 if title == "ResNet-18" else 1), args.engine))
    if args.json:
        settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(args).items()}
        found = {"settings": settings, "load_average": os.getloadavg(), **found, **versions_and_machine()}
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
