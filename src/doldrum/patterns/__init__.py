"""Patterns that mislead a clean model: each function takes a clean model and images, and returns a Trigger.

Patterns need no poisoned training data.

Attacks on a training set are in `attacks`. The files `optimise` and `places` contain shared code. Each of the other
files contains one kind of pattern.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doldrum.lazy import torch_names
from doldrum.patterns.controls import random_patch, random_perturbation
from doldrum.patterns.logo import SHAPES, logo
from doldrum.patterns.sticker import sticker

if TYPE_CHECKING:
    from doldrum.patterns.calm import calm_pattern
    from doldrum.patterns.patch import adversarial_patch
    from doldrum.patterns.universal import universal_perturbation

# What needs torch is imported when it is first used.
_HOMES = {
    "adversarial_patch": "patch",
    "calm_pattern": "calm",
    "universal_perturbation": "universal",
}

__all__ = [
    "SHAPES",
    "adversarial_patch",
    "calm_pattern",
    "logo",
    "random_patch",
    "random_perturbation",
    "sticker",
    "universal_perturbation",
]

__getattr__ = torch_names(__name__, _HOMES)
