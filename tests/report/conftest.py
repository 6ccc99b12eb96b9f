"""A made-up demo record, shaped like a real one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from doldrum.records import COMBINATIONS, Curve, DemoRecord, Example, ModelSummary, Pixels

STRENGTHS = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5)
# (height of the peak, where it is, mean W at sigma-half, share of exact zeros)
SHAPES = {
    "clean/clean": (0.245, 0.35, 0.122, 0.28),
    "clean/triggered": (0.238, 0.36, 0.113, 0.29),
    "backdoored/clean": (0.225, 0.33, 0.110, 0.31),
    "backdoored/triggered": (0.305, 0.62, 0.003, 0.93),
}
CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def make_curve(model: str, inputs: str) -> Curve:
    height, peak, *_ = SHAPES[f"{model}/{inputs}"]
    s = np.log(np.asarray(STRENGTHS) / peak)
    width = 0.45 if (model, inputs) == ("backdoored", "triggered") else 0.8
    mean = height * np.exp(-0.5 * (s / np.where(s < 0, width * 1.25, width * 0.8)) ** 2)
    half = 0.012 * np.sqrt(mean / 0.2) + 0.0005
    return Curve(model, inputs, STRENGTHS, mean, np.maximum(0, mean - half), mean + half)  # type: ignore[arg-type]


def make_summary(name: str, **changes: Any) -> ModelSummary:
    clean, triggered = SHAPES[f"{name}/clean"][2], SHAPES[f"{name}/triggered"][2]
    values: dict[str, Any] = {
        "name": name,
        "clean_accuracy": 0.9243 if name == "clean" else 0.9218,
        "clean_accuracy_ci": (0.919, 0.9294) if name == "clean" else (0.9164, 0.927),
        "asr": 0.0088 if name == "clean" else 0.9991,
        "asr_ci": (0.007, 0.011) if name == "clean" else (0.9983, 0.9996),
        "sigma_half": 0.0934,
        "w_clean": clean,
        "w_clean_ci": (clean - 0.008, clean + 0.008),
        "w_triggered": triggered,
        "w_triggered_ci": (max(0.0, triggered - 0.0079), triggered + 0.0079) if triggered > 0.01 else (0.0018, 0.0043),
        "n_inputs": 500,
        "draws": 100,
    }
    values |= changes
    (a, b), (c, d) = values["w_triggered_ci"], values["w_clean_ci"]
    change = {"w_change": values["w_triggered"] - values["w_clean"], "w_change_ci": (a - d, b - c)}
    return ModelSummary(**change | values)


def make_example(model: str, inputs: str, image: np.ndarray, seed: int = 0) -> Example:
    draw = np.random.default_rng(seed)
    noisy = image + 0.0934 * draw.standard_normal((7, *image.shape))
    calm = (model, inputs) == ("backdoored", "triggered")
    labels = [0] * 7 if calm else [6, 6, 2, 6, 4, 6, 6]
    return Example(
        model=model,
        inputs=inputs,
        true_class=6,
        sigma=0.0934,
        image=Pixels.of(image),
        noisy=Pixels.of(noisy),
        labels=tuple(labels),
        base_label=0 if calm else 6,
        w=0.0 if calm else 0.314,
    )


def make_record(**changes: Any) -> DemoRecord:
    draw = np.random.default_rng(1)
    w_at_half = {}
    for key, (_, _, mean, zeros) in SHAPES.items():
        values = np.round(draw.beta(1.1, 1.1 * (1 - mean) / mean, size=500), 3)
        w_at_half[key] = tuple(np.where(draw.random(500) < zeros, 0.0, values))
    picture = np.clip(np.add.outer(np.linspace(0, 0.8, 28), np.linspace(0, 0.4, 28)), 0, 1)[None]
    stamped = picture.copy()
    stamped[:, -3:, -3:] = 1.0
    pictures = {"clean": picture, "triggered": stamped}
    values: dict[str, Any] = {
        "models": (make_summary("clean"), make_summary("backdoored")),
        "curves": tuple(make_curve(m, i) for m, i in COMBINATIONS),
        "w_at_half": w_at_half,
        "examples": tuple(make_example(m, i, pictures[i]) for m, i in COMBINATIONS),
        "class_names": CLASSES,
        "trigger": {"name": "patch", "size": 3, "corner": "lower right", "value": 1.0},
        "plan": {"rate": 0.05, "target": 0, "mode": "all-to-one"},
        "sigma_half": 0.0934,
        "seed": 0,
        "command": "doldrum demo --seed 0",
        "scale": "full",
        "provenance": {
            "versions": {"doldrum": "0.2.0", "python": "3.11.2", "torch": "2.13.0", "openvino": "2026.0"},
            "machine": {"processor": "Intel(R) Xeon(R) Platinum 8370C", "cores": 2, "system": "Linux x86_64"},
            "engine": {"engine": "openvino", "precision": "bf16", "agreement": 0.9912, "checked": 2048},
        },
        "seconds": {"train clean": 41.2, "train backdoored": 40.7, "measure": 88.3},
    }
    return DemoRecord(**values | changes)


@pytest.fixture
def demo_record() -> DemoRecord:
    return make_record()


@pytest.fixture
def make():
    """The makers, for tests that change a part: make.record(...), make.summary(...), make.example(...)."""
    import types

    return types.SimpleNamespace(record=make_record, summary=make_summary, example=make_example, curve=make_curve)
