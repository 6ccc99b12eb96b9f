"""Attack: a trigger, a poisoning plan and, only where the method needs it, a hook in the one training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from doldrum.data import ImageSet
from doldrum.poisoning.plan import PoisonPlan
from doldrum.poisoning.poison import PoisonedSet
from doldrum.triggers.base import Trigger

if TYPE_CHECKING:
    from torch import nn

    from doldrum.classifiers.base import Classifier
    from doldrum.training.checkpoint import TrainedClassifier
    from doldrum.training.hooks import TrainingHook

__all__ = ["Attack", "AttackResult", "Made", "Setup", "ThreatModel"]

ThreatModel = Literal["data", "data and a surrogate", "training"]
"""What the attacker holds: some training samples; those samples and a model trained on similar data; or the whole training."""


@dataclass(frozen=True)
class Setup:
    """What an attack is made for.

    `surrogate()` trains a clean model by the same recipe and another seed, once, where the attacker needs one; `untrained()`
    gives its network with fresh weights. A maker calls `ready(plan)` once it has checked all that can be, before it trains
    anything: `check_attack` stops there.
    """

    train_set: ImageSet
    rate: float
    target: int
    seed: int
    surrogate: Callable[[], Classifier]
    untrained: Callable[[], nn.Module]
    ready: Callable[[PoisonPlan], None] = lambda plan: None


@dataclass(frozen=True)
class Made:
    """What an attack comes down to.

    `trigger` is None if a hook learns it (the hook's `trigger()` gives it afterwards; the hook then also does the
    poisoning, batch by batch). `train_set` is set where the attack edits clean samples before they are poisoned.
    """

    trigger: Trigger | None
    plan: PoisonPlan
    hook: TrainingHook | None = None
    train_set: ImageSet | None = None


@dataclass(frozen=True)
class Attack:
    """One attack of the registry.

    Attributes
    ----------
    id, title, paper
        The name used on the command line, the name people know, where it was published.
    threat_model
        "data": the attacker adds samples. "data and a surrogate": and has a model trained on similar data.
        "training": and controls the training.
    settings
        The defaults of `make`'s keywords, which `run_attack` takes as `settings=`.
    make
        (Setup, **settings) -> Made.
    note
        How it differs from the paper, or what to expect of it.
    """

    id: str
    title: str
    paper: str
    threat_model: ThreatModel
    make: Callable[..., Made] = field(repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class AttackResult:
    """A victim and what it takes to attack it; `poisoned` is what it was trained on, before any hook."""

    attack: str
    model: TrainedClassifier
    trigger: Trigger
    plan: PoisonPlan
    poisoned: PoisonedSet | None
