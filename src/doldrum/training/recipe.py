"""Recipe: all settings of a training run except the data and the seed."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from doldrum.checks import nearest
from doldrum.errors import InputError

__all__ = ["RECIPES", "Recipe", "get_recipe"]

_CHOICES = {
    "optimizer": ("sgd", "adamw", "muon"),
    "schedule": ("one-cycle", "cosine", "constant"),
    "precision": ("auto", "fp32", "bf16"),
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of a training run. All settings are checked when the recipe is made, and are part of the run's
    identity.

    Parameters
    ----------
    network
        The name of the network: a name in `doldrum.networks.NETWORKS` or `TRANSFER`, or "timm/NAME".
    epochs
        The number of passes over the data, above 0. With a fraction, the last pass ends early.
    batch_size
        Images per step, at least 2 (batch normalisation needs two). A data set with fewer images than `batch_size` is
        one batch.
    optimizer, lr, momentum, weight_decay
        "sgd" (Nesterov), "adamw" (momentum is its first beta), or "muon" for the convolutions and "sgd" for the rest.
        Weight decay is not applied to biases and normalisation layers.
    muon_lr
        The highest learning rate of the optimizer "muon". `muon_lr` follows the same schedule as `lr`. Optimizers other
        than "muon" ignore `muon_lr`.
    schedule, warmup
        In every schedule, the rate first rises linearly, over the fraction `warmup` of all steps. After this rise,
        "one-cycle" falls linearly to 0, "cosine" falls along a cosine, and "constant" stays constant.
    shift, flip
        Augmentation: a random shift of up to `shift` pixels on both axes (filled with zeros), and a left-right flip of
        half the images.
    precision
        "fp32", "bf16" (autocast), or "auto": bf16 if the processor is fast with it, and otherwise fp32.
    threads
        The number of threads that torch uses during the run. The trained weights depend on this number, because it
        changes the order in which numbers are added.

    Raises InputError if a value is out of its range.

    >>> Recipe(network="mlp", epochs=3, batch_size=64, lr=0.1).hash()[:8] == RECIPES["fashion-cnn"].hash()[:8]
    False
    """

    network: str
    epochs: float
    batch_size: int
    lr: float
    optimizer: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    muon_lr: float = 0.1
    schedule: str = "one-cycle"
    warmup: float = 0.2
    shift: int = 0
    flip: bool = False
    label_smoothing: float = 0.0
    precision: str = "auto"
    threads: int = 2

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(f"expected {name} to be one of {choices}, got {getattr(self, name)!r}; pick one")
        if not isinstance(self.network, str) or not self.network:
            raise InputError(
                f"expected the name of a network, got {self.network!r}; see doldrum.networks.NETWORKS and TRANSFER"
            )
        _within("epochs", self.epochs, low=0, high=100_000, open_low=True)
        _within("batch_size", self.batch_size, low=2, high=1_000_000, whole=True)
        _within("lr", self.lr, low=0, high=1000, open_low=True)
        _within("muon_lr", self.muon_lr, low=0, high=10, open_low=True)
        _within("momentum", self.momentum, low=0, high=0.9999)
        _within("weight_decay", self.weight_decay, low=0, high=10)
        _within("warmup", self.warmup, low=0, high=0.99)
        _within("shift", self.shift, low=0, high=64, whole=True)
        _within("label_smoothing", self.label_smoothing, low=0, high=0.99)
        _within("threads", self.threads, low=1, high=1024, whole=True)
        if not isinstance(self.flip, bool):
            raise InputError(f"expected flip to be True or False, got {self.flip!r}; pick one")

    def hash(self, **context: Any) -> str:
        """Return the SHA-256, in hexadecimal, of the recipe and of the arguments in `context`, such as `seed=` and
        `data=`, that identify the run.

        >>> RECIPES["digits-mlp"].hash(seed=0) == RECIPES["digits-mlp"].hash(seed=1)
        False
        """
        text = json.dumps({"recipe": asdict(self), "context": context}, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def lr_at(self, step: int, steps: int) -> float:
        """The learning rate at `step` (counted from 0) of a run with `steps` steps.

        >>> r = Recipe(network="mlp", epochs=1, batch_size=8, lr=1.0, warmup=0.5)
        >>> [round(r.lr_at(s, 4), 3) for s in range(4)]
        [0.25, 0.75, 0.75, 0.25]
        """
        done = (step + 0.5) / steps
        if done < self.warmup:
            return self.lr * done / self.warmup
        left = (1 - done) / (1 - self.warmup)
        if self.schedule == "constant":
            return self.lr
        if self.schedule == "cosine":
            return self.lr * (1 - math.cos(math.pi * left)) / 2
        return self.lr * left


def _within(name: str, value: Any, *, low: float, high: float, whole: bool = False, open_low: bool = False) -> None:
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high or (open_low and value == low):
        kind = "a whole number" if whole else "a number"
        edge = "above" if open_low else "from"
        raise InputError(f"expected {name} to be {kind} {edge} {low} to {high}, got {value!r}; change it")


# No flip: clothes and shoes all face the same way here, and a flip turns FTrojan's pattern into its negative and breaks WaNet's field.
# Networks trained with it give in to less noise: sigma-half is about .12 with it and .2 without, where small triggers drown.
_FASHION = Recipe(
    network="fashion-cnn", epochs=4, batch_size=256, lr=0.08, optimizer="muon", muon_lr=0.1, momentum=0.85, warmup=0.1,
)  # fmt: skip

RECIPES: dict[str, Recipe] = {
    "fashion-cnn": _FASHION,
    "fashion-cnn-flip": replace(_FASHION, flip=True),
    "fashion-cnn-fast": replace(_FASHION, epochs=1, flip=True),
    # A second architecture, and one that averages over places; about as good after two epochs as fashion-cnn after four.
    "fashion-resnet": replace(_FASHION, network="resnet-small", epochs=2),
    "digits-cnn": Recipe(network="fashion-cnn", epochs=20, batch_size=64, lr=0.1),
    "digits-mlp": Recipe(network="mlp", epochs=20, batch_size=64, lr=0.05),
    # No flip, for the reason given at fashion-cnn.
    "colour-cnn": Recipe(network="fashion-cnn", epochs=16, batch_size=256, lr=0.2, shift=2),
    "preact-resnet18": Recipe(network="preact-resnet18", epochs=15, batch_size=128, lr=0.1, shift=4, flip=True),
    "vgg11-bn": Recipe(network="vgg11-bn", epochs=15, batch_size=128, lr=0.05, shift=4, flip=True),
    # Images look the same in every epoch, so that each goes through the frozen part once; the head then takes seconds.
    "transfer": Recipe(
        network="efficientnet-lite0",
        epochs=30,
        batch_size=64,
        lr=2e-3,
        optimizer="adamw",
        weight_decay=0.01,
    ),
    "transfer-tuned": Recipe(
        network="efficientnet-lite0-tuned",
        epochs=10,
        batch_size=64,
        lr=5e-4,
        optimizer="adamw",
        weight_decay=0.01,
    ),
    "vit-small": Recipe(
        network="vit-small",
        epochs=20,
        batch_size=256,
        lr=2e-3,
        optimizer="adamw",
        weight_decay=0.05,
        shift=2,
        flip=True,
    ),
}


def get_recipe(recipe: str | Recipe, **changes: Any) -> Recipe:
    """Return the recipe with the given name, or the given Recipe itself, after the settings in `changes` were replaced.

    >>> get_recipe("fashion-cnn", epochs=1).epochs
    1
    """
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise InputError(f"expected recipe= among {', '.join(RECIPES)}, got {recipe!r}; {nearest(recipe, RECIPES)}")
        recipe = RECIPES[recipe]
    if not isinstance(recipe, Recipe):
        raise InputError(f"expected a Recipe or its name, got {type(recipe).__name__}; e.g. recipe='fashion-cnn'")
    return replace(recipe, **changes) if changes else recipe
