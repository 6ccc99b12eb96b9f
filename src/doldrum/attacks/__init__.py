"""Attacks: what needs more than a trigger and a plan, and the registry of them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from doldrum.attacks.base import Attack, AttackResult, Made, Setup
from doldrum.attacks.load import load_trigger
from doldrum.attacks.registry import ATTACKS, check_attack, get_attack, make_attack, run_attack
from doldrum.attacks.victims import CLEAN, Victim, VictimSpec, get_victim, victims_folder
from doldrum.lazy import torch_names

if TYPE_CHECKING:
    from doldrum.attacks.input_aware import GeneratedTrigger, InputAwareHook
    from doldrum.attacks.issba import HiddenString, train_encoder
    from doldrum.attacks.label_consistent import pgd
    from doldrum.attacks.noise import NoiseHardening
    from doldrum.attacks.smooth_perturbation import optimise_low_frequency
    from doldrum.attacks.trojan import trojan_patch

# What needs torch is imported when it is first used: attacks can be listed without it.
_HOMES = {
    "GeneratedTrigger": "input_aware",
    "InputAwareHook": "input_aware",
    "HiddenString": "issba",
    "train_encoder": "issba",
    "pgd": "label_consistent",
    "NoiseHardening": "noise",
    "optimise_low_frequency": "smooth_perturbation",
    "trojan_patch": "trojan",
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
