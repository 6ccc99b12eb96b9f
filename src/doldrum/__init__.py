"""doldrum: find backdoors in image classifiers by measuring how stable their labels are when the inputs are perturbed.

>>> import doldrum as dd
>>> import numpy as np
>>> clf = dd.as_classifier(lambda x: x.reshape(len(x), -1), input_shape=(1, 1, 2), num_classes=2)
>>> r = dd.measure(clf, np.array([[[[0.9, 0.1]]]]), dd.probes.Gaussian([0.05], draws=100, seed=0))
>>> dd.smoothness(r).value.tolist()
[[0.0]]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from doldrum import attacks, detectors, probes, triggers
    from doldrum.attacks import run_attack
    from doldrum.classifiers import Classifier, as_classifier
    from doldrum.data import ImageSet, load_dataset, read_images
    from doldrum.detectors import load_detector, save_detector
    from doldrum.errors import DoldrumError
    from doldrum.explanations import explain
    from doldrum.inspectors import inspect
    from doldrum.measuring import measure, read_responses, until
    from doldrum.opening import open_model
    from doldrum.poisoning import PoisonPlan, evaluate, poison
    from doldrum.profiles import mean_smoothness, sigma_half, smoothness
    from doldrum.references import open_references, train_references
    from doldrum.repairing import repair
    from doldrum.responses import Responses
    from doldrum.training import load_checkpoint, train

# Each name is imported when it is first used: `import doldrum` stays light and never imports torch.
_HOMES = {
    "run_attack": "attacks",
    "Classifier": "classifiers",
    "as_classifier": "classifiers",
    "ImageSet": "data",
    "load_dataset": "data",
    "read_images": "data",
    "open_model": "opening",
    "load_detector": "detectors",
    "save_detector": "detectors",
    "DoldrumError": "errors",
    "explain": "explanations",
    "inspect": "inspectors",
    "measure": "measuring",
    "read_responses": "measuring",
    "until": "measuring",
    "PoisonPlan": "poisoning",
    "evaluate": "poisoning",
    "poison": "poisoning",
    "open_references": "references",
    "train_references": "references",
    "repair": "repairing",
    "Responses": "responses",
    "mean_smoothness": "profiles",
    "sigma_half": "profiles",
    "smoothness": "profiles",
    "load_checkpoint": "training",
    "train": "training",
}
_ROOMS = ("attacks", "detectors", "probes", "triggers")

__all__ = [  # noqa: RUF022  (the order a reader meets them in)
    "as_classifier", "open_model", "Classifier", "measure", "Responses", "read_responses", "probes", "until",
    "smoothness", "mean_smoothness", "sigma_half",
    "ImageSet", "load_dataset", "read_images", "triggers", "PoisonPlan", "poison", "train", "load_checkpoint", "evaluate",
    "train_references", "open_references", "attacks", "run_attack", "detectors", "save_detector", "load_detector", "explain", "inspect",
    "repair", "DoldrumError",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return importlib.import_module(f"doldrum.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(f"doldrum.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'doldrum' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
