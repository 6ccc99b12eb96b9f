"""The record of `doldrum demo`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from doldrum.checks import is_kind
from doldrum.errors import InputError
from doldrum.records.base import VERSION, Record, check_version
from doldrum.records.checks import jsonable, mapping, number, numbers, positive, sequence, whole
from doldrum.records.parts import COMBINATIONS, MODELS, Curve, Example, ModelSummary

__all__ = ["DemoRecord"]


@dataclass(frozen=True, kw_only=True)
class DemoRecord(Record):
    """All results of `doldrum demo`, and everything that its report needs.

    Parameters
    ----------
    models : the clean and the backdoored :class:`ModelSummary`, in this order
    curves : four :class:`Curve`, one for each of `COMBINATIONS`
    w_at_half : for each key "model/inputs", W of every input at the noise strength `sigma_half`
    examples : any number of :class:`Example`
    class_names : names of the K classes
    trigger, plan : the trigger, and how the training set was poisoned
    sigma_half : the noise strength at which W is measured, computed from the clean model's clean inputs
    seed, command : the seed, and the command line that repeats the demo
    scale : "full" or "fast", the settings of the demo; "" for other settings
    provenance : "versions", "machine" and "engine" (name, precision, agreement), JSON-able
    seconds : how long each step took
    """

    models: tuple[ModelSummary, ...]
    curves: tuple[Curve, ...]
    w_at_half: Mapping[str, tuple[float, ...]]
    examples: tuple[Example, ...]
    class_names: tuple[str, ...]
    trigger: Mapping[str, Any]
    plan: Mapping[str, Any]
    sigma_half: float
    seed: int
    command: str
    scale: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    version: int = VERSION

    _nested: ClassVar = {
        "models": (ModelSummary, True),
        "curves": (Curve, True),
        "examples": (Example, True),
    }

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        check_version(self.version)
        for name in ("models", "curves", "examples"):
            put(name, tuple(getattr(self, name)))
        if tuple(m.name for m in self.models) != MODELS:
            raise InputError(
                f"expected the models {MODELS}, got the models {tuple(m.name for m in self.models)}; give the models in this order"
            )
        wanted = {f"{model}/{inputs}" for model, inputs in COMBINATIONS}
        if len(self.curves) != len(wanted) or {c.key for c in self.curves} != wanted:
            raise InputError(f"expected one curve for each of {sorted(wanted)}, got {[c.key for c in self.curves]}")
        mapping(self.w_at_half, "w_at_half")
        if set(self.w_at_half) != wanted:
            raise InputError(
                f"expected w_at_half with the keys {sorted(wanted)}, got the keys {sorted(self.w_at_half)}; give all four"
            )
        put("w_at_half", {k: numbers(v, f"w_at_half of {k}") for k, v in self.w_at_half.items()})
        if not all(self.w_at_half.values()):
            raise InputError("expected W of at least one input for each combination, got none; measure at least one")
        put("class_names", tuple(str(c) for c in sequence(self.class_names, "class_names")))
        for name in ("trigger", "plan", "provenance", "seconds"):
            put(name, jsonable(getattr(self, name), name))
        put("seconds", {k: number(v, f"seconds of {k}") for k, v in self.seconds.items()})
        put("sigma_half", positive(self.sigma_half, "sigma_half"))
        put("seed", whole(self.seed, "seed"))
        if not is_kind(self.command, str):
            raise InputError(f"expected the command as text, got {type(self.command).__name__}; join its words")
        if self.scale not in ("full", "fast", ""):
            raise InputError(f"expected scale 'full', 'fast' or '', got {self.scale!r}; leave it empty")
        top = max((max(e.true_class, e.base_label, *e.labels) for e in self.examples), default=-1)
        if top >= len(self.class_names):
            raise InputError(
                f"expected classes below {len(self.class_names)}, got {top} in an example; name all classes"
            )

    @property
    def clean(self) -> ModelSummary:
        """The clean model's row."""
        return self.models[0]

    @property
    def backdoored(self) -> ModelSummary:
        """The backdoored model's row."""
        return self.models[1]
