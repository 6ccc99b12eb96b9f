"""Check the arguments of a training before its images are made or read, which can take minutes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from doldrum.attacks.registry import check_attack, check_settings
from doldrum.data import ImageSet
from doldrum.poisoning import PoisonPlan
from doldrum.training.recipe import get_recipe

if TYPE_CHECKING:
    from doldrum.data.naming import Facts
    from doldrum.training.recipe import Recipe

__all__ = ["check_ahead"]

_PER_CLASS = 10


def check_ahead(
    facts: Facts | None,
    *,
    recipe: str | Recipe,
    attack: str | None = None,
    rate: float = 0.0,
    target: int = 0,
    settings: dict[str, Any] | None = None,
    trains: bool = True,
) -> None:
    """Raise InputError for what cannot work with any images: an unknown name, or a rate or setting out of range.

    If `facts` about the data set are known, a network, a trigger or a target class that does not fit its images is
    refused too. The network is checked only if a model is trained (`trains`), since this needs torch. Whether a class
    has enough images for the rate is not checked here: `check_attack` checks this with the images.
    """
    chosen = get_recipe(recipe)
    if trains:
        from doldrum.networks import check_fits, check_network

        check_network(chosen.network)
        if facts is not None:
            check_fits(chosen.network, input_shape=facts.input_shape, num_classes=facts.classes)
    if attack is None:
        return
    check_settings(attack, settings or {})
    PoisonPlan(rate=rate, target=target)
    if facts is not None:
        labels = np.arange(_PER_CLASS * facts.classes) % facts.classes
        black = ImageSet(np.broadcast_to(np.uint8(0), (len(labels), *facts.input_shape)), labels)
        check_attack(attack, black, recipe=chosen, rate=0.0, target=target, settings=settings)
