"""Poison a training set with a trigger and a plan, and measure the attack on a model: clean accuracy and attack success rate.

Not in this package: triggers (`triggers`), training (`training`), and the list of attacks (`attacks`).
"""

from __future__ import annotations

from doldrum.poisoning.evaluate import Evaluation, Share, evaluate
from doldrum.poisoning.plan import PoisonPlan
from doldrum.poisoning.poison import PoisonedSet, poison

__all__ = ["Evaluation", "PoisonPlan", "PoisonedSet", "Share", "evaluate", "poison"]
