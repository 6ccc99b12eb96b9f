"""Attack: a trigger, a poisoning plan and, if the method needs it, a hook in the training loop."""

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
"""The threat model: what the attacker can control or use.

"data": some training samples. "data and a surrogate": some training samples, and a model trained on similar data.
"training": the whole training.
"""


@dataclass(frozen=True)
class Setup:
    """The inputs of a function that makes an attack: training set, poison rate, target and seed.

    `surrogate()` trains a clean model with the same recipe and another seed, for attackers that need one; it trains
    only once. `untrained()` returns the same network with new random weights. The function that makes the attack calls
    `ready(plan)` after all checks and before any training, and `check_attack` stops there.
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
    """The parts of an attack, ready for training.

    `trigger` is None if the hook learns the trigger. A hook that learns the trigger also poisons each batch, and its
    `trigger()` returns the trigger after training. If the attack changes clean samples before they are poisoned,
    `train_set` is the changed training set; else `train_set` is None.
    """

    trigger: Trigger | None
    plan: PoisonPlan
    hook: TrainingHook | None = None
    train_set: ImageSet | None = None


@dataclass(frozen=True)
class Attack:
    """An attack in the registry (`ATTACKS`).

    Attributes
    ----------
    id, title, paper
        The name on the command line, the usual name of the attack, and the paper that published it.
    threat_model
        "data": the attacker adds samples. "data and a surrogate": the attacker also has a model trained on similar
        data.
        "training": the attacker also controls the training.
    settings
        The settings of the attack (keyword arguments of `make`) with their default values. To change a setting, pass
        its new value to `run_attack` in `settings=`.
    make
        The function that makes the attack: (Setup, **settings) -> Made.
    note
        A text about differences from the paper, or about a property of the attack.
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
    """An attacked model with the trigger and plan of the attack.

    `poisoned` is the poisoned training set of the model, without the changes that a training hook makes.
    """

    attack: str
    model: TrainedClassifier
    trigger: Trigger
    plan: PoisonPlan
    poisoned: PoisonedSet | None
