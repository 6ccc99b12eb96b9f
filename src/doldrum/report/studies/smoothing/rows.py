"""One row per attack, with the effect over its models, the test of this effect, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from doldrum.report.studies.models import ModelRow
from doldrum.stats.effects import Effect, holm, mean_effect

__all__ = ["FEWEST", "FEWEST_OTHERS", "HEADLINE", "PLANNED", "AttackRow", "attack_rows"]

HEADLINE = ("badnets", "all-to-all", "blended", "sig", "wanet", "tact")
PLANNED = 10
"""The planned number of seeds for each of the attacks in HEADLINE."""
FEWEST, FEWEST_OTHERS = 3, 6
"""The number of models that a test needs, for an attack in HEADLINE and for any other attack.

A sign-flip test needs at least 6 models to reach the 5% level.
"""
Verdict = Literal["smooths", "roughens", "not shown", "too few models", "descriptive", "control"]


@dataclass(frozen=True)
class AttackRow:
    """The results of one attack over its models.

    `p_holm` is the p-value of the t-test, Holm-corrected for `tests`, the number of tests on the page. `p_holm` is None
    for attacks that are not tested. `p_flip` is the p-value of the exact sign-flip test of the same effect, without
    correction.
    """

    attack: str
    models: int
    inputs: int
    asr: float
    effect: Effect
    p_holm: float | None
    tests: int
    p_flip: float
    effect_hit: Effect
    effect_soft: Effect
    superiority: Effect
    superiority_twin: Effect
    calmer_than_class: Effect

    @property
    def verdict(self) -> Verdict:
        """The verdict at the 5% level, Holm-corrected: "smooths" or "roughens" by the sign of a significant effect.

        If the effect is not significant, or the attack is not tested, the verdict says so.
        """
        if self.attack == "clean":
            return "control"
        if self.p_holm is None:
            return "too few models" if self.attack in HEADLINE else "descriptive"
        if self.p_holm > 0.05:
            return "not shown"
        return "smooths" if self.effect.value > 0 else "roughens"

    def to_dict(self) -> dict[str, Any]:
        """All fields and the verdict, as a dictionary. Each effect becomes a mapping."""
        return {**asdict(self), "verdict": self.verdict}


def attack_rows(rows: Sequence[ModelRow]) -> list[AttackRow]:
    """One row per attack: first the attacks in HEADLINE, then the other attacks, and last the pairs of two clean models.

    An attack that is listed in HEADLINE is tested if it has at least 3 models. An attack that is not listed in HEADLINE
    is tested if it has at least 6 models. The p-values of all these tests are corrected together.
    """
    attacks = list(dict.fromkeys(r.attack for r in rows))
    order = [a for a in HEADLINE if a in attacks] + sorted(a for a in attacks if a not in (*HEADLINE, "clean"))
    order += ["clean"] if "clean" in attacks else []
    found = {a: [r for r in rows if r.attack == a] for a in order}
    effects = {a: mean_effect([r.effect for r in of]) for a, of in found.items()}
    fewest = lambda a: FEWEST if a in HEADLINE else FEWEST_OTHERS  # noqa: E731
    family = [a for a in order if a != "clean" and len(found[a]) >= fewest(a)]
    adjusted = dict(zip(family, holm([effects[a].p for a in family]), strict=True))
    return [_attack(a, found[a], effects[a], adjusted.get(a), len(family)) for a in order]


def _attack(attack: str, rows: list[ModelRow], effect: Effect, p_holm: float | None, tests: int) -> AttackRow:
    over = lambda name: mean_effect([x for x in (getattr(r, name) for r in rows) if math.isfinite(x)])  # noqa: E731
    return AttackRow(
        attack=attack,
        models=len(rows),
        inputs=sum(r.inputs for r in rows),
        asr=float(np.mean([r.asr for r in rows])),
        effect=effect,
        p_holm=None if p_holm is None else float(p_holm),
        tests=tests,
        p_flip=mean_effect([r.effect for r in rows], method="sign-flip").p,
        effect_hit=over("effect_hit"),
        effect_soft=over("effect_soft"),
        superiority=over("superiority"),
        superiority_twin=over("superiority_twin"),
        calmer_than_class=over("calmer_than_class"),
    )
