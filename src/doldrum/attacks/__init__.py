"""Backdoor attacks: the list of attacks, the functions that make each of them, and a cache of attacked models.

An attack consists of a trigger, a poisoning plan and, for some attacks, a hook in the training loop. `methods` contains
the code that only one attack needs. Triggers that need no training are in `triggers`, and detectors in `detectors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from doldrum.attacks.base import Attack, AttackResult, Made, Setup
from doldrum.attacks.load import load_trigger
from doldrum.attacks.registry import ATTACKS, check_attack, get_attack, make_attack, run_attack
from doldrum.attacks.victims import CLEAN, Victim, VictimSpec, get_victim, victims_folder
from doldrum.lazy import torch_names

if TYPE_CHECKING:
    from doldrum.attacks.methods.input_aware import GeneratedTrigger, InputAwareHook
    from doldrum.attacks.methods.issba import HiddenString, train_encoder
    from doldrum.attacks.methods.label_consistent import pgd
    from doldrum.attacks.methods.noise import NoiseHardening
    from doldrum.attacks.methods.smooth_perturbation import optimise_low_frequency
    from doldrum.attacks.methods.trojan import trojan_patch

# What needs torch is imported when it is first used: attacks can be listed without it.
_HOMES = {
    "GeneratedTrigger": "methods.input_aware",
    "InputAwareHook": "methods.input_aware",
    "HiddenString": "methods.issba",
    "train_encoder": "methods.issba",
    "pgd": "methods.label_consistent",
    "NoiseHardening": "methods.noise",
    "optimise_low_frequency": "methods.smooth_perturbation",
    "trojan_patch": "methods.trojan",
}

__all__ = [
    "ATTACKS",
    "CLEAN",
    "Attack",
    "AttackResult",
    "GeneratedTrigger",
    "HiddenString",
    "InputAwareHook",
    "Made",
    "NoiseHardening",
    "Setup",
    "Victim",
    "VictimSpec",
    "check_attack",
    "get_attack",
    "get_victim",
    "load_trigger",
    "make_attack",
    "optimise_low_frequency",
    "pgd",
    "run_attack",
    "train_encoder",
    "trojan_patch",
    "victims_folder",
]

__getattr__ = torch_names(__name__, _HOMES)
