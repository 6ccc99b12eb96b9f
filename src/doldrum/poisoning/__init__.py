"""Poisoning: a plan and a trigger make a poisoned training set; evaluate says how well the attack worked."""

from __future__ import annotations

from doldrum.poisoning.evaluate import Evaluation, Share, evaluate
from doldrum.poisoning.plan import PoisonPlan
from doldrum.poisoning.poison import PoisonedSet, poison

__all__ = ["Evaluation", "PoisonPlan", "PoisonedSet", "Share", "evaluate", "poison"]
