"""Save victims (attacked models) on disk.

Each victim is trained once, is found by the hash of its specification, and is shared by all studies.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doldrum.attacks.load import load_trigger
from doldrum.attacks.registry import get_attack, run_attack, surrogate_beside
from doldrum.checks import nearest
from doldrum.data import ImageSet, load_dataset
from doldrum.data.places import cache_folder
from doldrum.errors import InputError
from doldrum.files import write_text_whole
from doldrum.poisoning.plan import PoisonPlan
from doldrum.triggers.base import Trigger

if TYPE_CHECKING:
    from doldrum.training.checkpoint import TrainedClassifier
    from doldrum.training.recipe import Recipe

__all__ = ["CLEAN", "Victim", "VictimSpec", "get_victim", "victims_folder"]

CLEAN = "clean"
"""The value of `VictimSpec.attack` for a clean model, which has no attack."""

_FORMAT = "doldrum-victim-1"


@dataclass(frozen=True, kw_only=True)
class VictimSpec:
    """The specification of a victim (an attacked or clean model).

    On one machine, the same specification gives the same weights.

    Parameters
    ----------
    attack
        A key of ATTACKS, or "clean".
    data
        The name of a data set with a split `train`. If `get_victim` gets the images as an argument, no data set is
        loaded, and this name serves only as a label.
    recipe
        A Recipe or the name of one. The recipe's `threads` become 1, since many victims are trained faster with one
        model per core, and since the weights depend on the number of threads.
    rate, target, seed, settings
        As in `run_attack`. "clean" ignores rate, target and settings.

    Raises InputError for an unknown attack, recipe or setting.

    >>> VictimSpec(attack="badnets").key == VictimSpec(attack="badnets", settings={"size": 3}).key
    True
    >>> VictimSpec(attack="clean", target=3).key == VictimSpec(attack="clean").key
    True
    """

    attack: str = CLEAN
    data: str = "fashion-mnist"
    recipe: str | Recipe = "fashion-cnn"
    rate: float = 0.05
    target: int = 0
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        from doldrum.training.recipe import get_recipe

        object.__setattr__(self, "recipe", get_recipe(self.recipe, threads=1))
        if self.attack == CLEAN:
            for name, value in (("rate", 0.0), ("target", 0), ("settings", {})):
                object.__setattr__(self, name, value)
            return
        known = get_attack(self.attack).settings
        unknown = sorted(set(self.settings) - set(known))
        if unknown:
            raise InputError(
                f"expected settings of {self.attack} (the settings of this attack: {', '.join(known)}), got {unknown[0]!r}; {nearest(unknown[0], known)}"
            )

    def to_dict(self) -> dict[str, Any]:
        """The specification as JSON-able values. Settings that were not given have their defaults."""
        defaults = {} if self.attack == CLEAN else dict(get_attack(self.attack).settings)
        return {**asdict(self), "settings": {**defaults, **self.settings}}

    @property
    def key(self) -> str:
        """The first 24 hexadecimal digits of the SHA-256 of `to_dict`."""
        text = json.dumps({"format": _FORMAT, **self.to_dict()}, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Victim:
    """A trained model with the trigger and plan of its attack, which are None for a clean model.

    `seconds` is the time that it took to make the victim, including surrogates, encoders and poisoning. If the training
    was killed and continued later, `seconds` is the longer of two times: the time since the training was continued, and
    the total time of all epochs.
    """

    spec: VictimSpec
    model: TrainedClassifier
    trigger: Trigger | None
    plan: PoisonPlan | None
    seconds: float


def victims_folder() -> Path:
    """The folder of saved victims (attacked models): $DOLDRUM_VICTIMS, by default ~/.cache/doldrum/victims."""
    given = os.environ.get("DOLDRUM_VICTIMS")
    return Path(given) if given else cache_folder() / "victims"


def get_victim(spec: VictimSpec, train_set: ImageSet | None = None, *, cache: str | Path | None = None) -> Victim:
    """The victim (attacked model) of a specification.

    The victim is read from `cache` if it was made before, else it is trained and saved there.

    Parameters
    ----------
    train_set
        The clean training set; by default the split `train` of `spec.data`.
    cache
        A folder, which is created if absent; by default `victims_folder()`. Each victim has two files: KEY.safetensors
        (a checkpoint) and KEY.json (specification, trigger, plan), which is written last. So a killed process leaves no
        incomplete victim, but only resume files, from which the next call continues.

    Raises InputError for a victim in the cache that was trained on other data, or whose files are damaged.

    >>> import tempfile
    >>> spec = VictimSpec(attack="badnets", data="digits", recipe="digits-mlp", rate=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first, second = get_victim(spec, cache=folder), get_victim(spec, cache=folder)
    >>> first.trigger == second.trigger, first.model.fingerprint == second.model.fingerprint
    (True, True)
    """
    from doldrum.training import load_checkpoint

    folder = victims_folder() if cache is None else Path(cache)
    weights, record = folder / f"{spec.key}.safetensors", folder / f"{spec.key}.json"
    if record.is_file():
        found = _read(record)
        if train_set is not None and found["data_hash"] != train_set.content_hash():
            raise InputError(
                f"expected the victim in {record} to be trained on the given training set, got a victim that was trained on another set with the name {spec.data!r}; give your data set another name or pass another cache"
            )
        trigger = None if found["trigger"] is None else load_trigger(found["trigger"])
        plan = None if found["plan"] is None else PoisonPlan.from_dict(found["plan"])
        return Victim(spec, load_checkpoint(weights), trigger, plan, float(found["seconds"]))
    folder.mkdir(parents=True, exist_ok=True)
    return _make(spec, train_set or load_dataset(f"{spec.data}:train"), weights, record)


def _make(spec: VictimSpec, train_set: ImageSet, weights: Path, record: Path) -> Victim:
    from doldrum.training import train

    began = time.perf_counter()
    trigger = plan = None
    resume = weights.with_suffix(".resume")
    if spec.attack == CLEAN:
        model = train(train_set, spec.recipe, seed=spec.seed, checkpoint=resume)
    else:
        result = run_attack(
            spec.attack, train_set, recipe=spec.recipe, seed=spec.seed, rate=spec.rate, target=spec.target,
            settings=dict(spec.settings), checkpoint=resume,
        )  # fmt: skip
        model, trigger, plan = result.model, result.trigger, result.plan
    # One that went on after a kill took at least what its epochs took, those before the kill among them.
    trained = sum(float(epoch.get("seconds", 0)) for epoch in model.history)
    seconds = round(max(time.perf_counter() - began, trained), 2)
    model.save(weights)
    text = {
        "format": _FORMAT,
        "spec": spec.to_dict(),
        "data_hash": train_set.content_hash(),
        "trigger": trigger and trigger.to_dict(),
        "plan": plan and plan.to_dict(),
        "seconds": seconds,
    }
    write_text_whole(record, json.dumps(text, indent=2, default=str) + "\n")
    for path in (resume, surrogate_beside(resume)):
        path.unlink(missing_ok=True)
    return Victim(spec, model, trigger, plan, seconds)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(
            f"expected the record of a victim (an attacked model) in {path}, got the error {error}; delete this file to train the victim again"
        ) from error
    if not isinstance(found, dict) or not {"data_hash", "trigger", "plan", "seconds"} <= found.keys():
        raise InputError(
            f"expected the record of a victim (an attacked model) in {path}, got something else; delete this file to train the victim again"
        )
    return found
