"""Run in an environment without extras: measure a plain function, and call what may need an extra, for JSON of what came."""

from __future__ import annotations

import json
import sys

import numpy as np
from bare_names import outcome


def main(files: str) -> None:
    import doldrum as dd
    from doldrum.engines import ENGINES
    from doldrum.lazy import EXTRAS
    from doldrum.suspects import open_model

    function = dd.as_classifier(lambda x: x.reshape(len(x), -1), input_shape=(1, 1, 2), num_classes=2)
    image = np.array([[[[0.55, 0.45]]]], dtype=np.float32)
    probe = dd.probes.Gaussian([0.1, 0.3], draws=2000, seed=0)
    measured = dd.measure(function, image, probe)

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 1, 16, 16), dtype=np.uint8)
    data = dd.ImageSet(images, labels=rng.integers(0, 4, 60))
    scores = dd.as_classifier(lambda x: x[:, 0, :2, :2].reshape(-1, 4), input_shape=(1, 16, 16), num_classes=4)

    def scan(detector: dd.detectors.Detector) -> None:
        detector.fit(scores, images[:20])
        detector.calibrate(images[20:50], fpr=0.1)
        detector.scan(images[50:])

    used = {
        **{f"import {name}": lambda name=name: __import__(name) for name in EXTRAS},
        **{f"attack {id}": lambda id=id: dd.attacks.make_attack(id, data) for id in dd.attacks.ATTACKS},
        **{f"check {id}": lambda id=id: dd.attacks.check_attack(id, data) for id in dd.attacks.ATTACKS},
        **{f"engine {name}": lambda name=name: dd.measure(function, image, probe, engine=name) for name in ENGINES},
        **{
            f"detector {name}": lambda kind=kind: scan(kind(seed=0))
            for name, kind in dd.detectors.DETECTORS.items()
        },
        **{f"model {name}": lambda name=name: open_model(f"{files}/{name}") for name in
           ("lin.onnx", "lin.safetensors", "lin.pt", "lin.skops", "hugging")},
        "probe of a model": lambda: dd.measure(scores, images, dd.probes.Dropout([0.5], draws=2)),
        "probe of channels": lambda: dd.measure(scores, images, dd.probes.ChannelAblation([0.5], draws=2)),
        "probe of layers": lambda: dd.measure(scores, images, dd.probes.BatchNormScale([1])),
        "an .onnx file": lambda: dd.open_model(f"{files}/lin.onnx"),
        "a checkpoint": lambda: dd.load_checkpoint(f"{files}/lin.safetensors"),
        "digits": lambda: dd.load_dataset("digits:test"),
        "scikit-learn's names": lambda: dd.detectors.OutlierDetector,
        "ART's names": lambda: __import__("doldrum.adapters.art"),
        "run_attack": lambda: dd.run_attack("badnets", data),
        "evaluate": lambda: dd.evaluate(scores, data),
    }  # fmt: skip
    said = {name: outcome(use) for name, use in used.items()}
    print(json.dumps({"draws": measured.draws[0].tolist(), "said": said}))


if __name__ == "__main__":
    main(sys.argv[1])
