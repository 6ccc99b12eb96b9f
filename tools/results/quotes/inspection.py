"""docs/results/inspection.md."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from doldrum.records.attacks import HELD_OUT
from doldrum.report.studies.inspection.judged import ALL, models_of
from doldrum.report.studies.inspection.summary import ONE_TRIGGER, cross_entropy, is_development, judge_all
from results.figures import Studies, mean

PAGE = "docs/results/inspection.md"
_EXAMPLE = 201  # the clean CNN whose short cut is told
_NETWORKS = {"mlp": "MLP", "fashion-cnn": "CNN"}


def quotes(studies: Studies) -> Iterator[str]:
    rows = [
        r
        for r in studies.rows("inspection", "models", by="verdict")
        if not (r["network"] == "fashion-cnn" and 100 <= r["seed"] < 200)
    ]
    for network, name in _NETWORKS.items():
        mine = [r for r in rows if r["network"] == network]
        bad = [r for r in mine if r["attack"] not in ("clean", "wrong labels")]
        clean = [r for r in mine if r["attack"] == "clean"]
        flagged = [r for r in bad if r["p"] <= 0.05]
        aimed = [r for r in flagged if r["attack"] != "all-to-all"]
        alarms = sum(r["p"] <= 0.05 for r in clean)
        right = sum(r["points_to"] == r["target"] for r in aimed)
        yield f"| {name} | {len(flagged)} of {len(bad)} | {_shown(bad)} | {right} of {len(aimed)} | {alarms} of {len(clean)} |"
    wrong = [r for r in rows if r["attack"] == "wrong labels"]
    yield f'The verdict is "suspicious" for {sum(r["p"] <= 0.05 for r in wrong)} of {len(wrong)} models with wrong labels, and "backdoor shown" for {_shown(wrong)} of them.'
    classic = studies["inspection"]["numbers"]["inspectors"]["neural-cleanse"]["all"]
    yield f"flags {classic['alarms']} of {classic['clean']} clean models and {round(classic['tpr'] * classic['models'])} of {classic['models']} backdoored models"
    works = [r for r in rows if r["attack"] not in ("clean", "wrong labels") and r["asr"] >= 2 / 3]
    small = [r for r in works if r["smaller"] >= 2]
    yield f"In {len(works)} models the attack succeeds on at least two images in three. In {len(small)} of the {len(works)} models with a successful attack, the trigger that is found is at most half as large as in the reference models"
    yield f"For models that were trained on wrong labels without a trigger, the trigger that is found is {min(r['smaller'] for r in wrong):.1f} to {max(r['smaller'] for r in wrong):.1f} times smaller"
    one = [r for r in rows if r["attack"] in ONE_TRIGGER and r["p"] <= 0.05]
    yield f"For attacks with one target class and one trigger, the target class that the verdict names is right in {sum(r['points_to'] == r['target'] for r in one)} of {len(one)} flagged models."
    every = studies["inspection"]["numbers"]["inspectors"]["verdict"]
    yield f"The AUROC of the inspection is {every['all']['auroc']:.3f} over all attacks, and {every['one trigger']['auroc']:.3f} over the attacks with one target class and one trigger"
    yield f"a cross-entropy of {every['cross_entropy']:.2f} over all models. For the attacks and the network that were not used for tuning, the cross-entropy of the probability of a backdoor is {_held_out(studies):.2f}."
    yield f"Only {len(missing(rows))} backdoored model is missed"
    yield from _natural(studies)
    yield from _colour(studies)


def _colour(studies: Studies) -> Iterator[str]:
    rows = studies.rows("inspection-colour", "models", by="verdict")
    bad, clean = ([r for r in rows if (r["attack"] == "clean") is kind] for kind in (False, True))
    flagged = [r for r in bad if r["p"] <= 0.05]
    yield f"{len(flagged)} of {len(bad)} backdoored models are flagged, and in {_shown(bad)} of them a backdoor is shown. The target class that the verdict names is right in {sum(r['points_to'] == r['target'] for r in flagged)} of {len(flagged)} models."
    found = studies["inspection-colour"]["numbers"]["inspectors"]
    alarms = sum(r["p"] <= 0.05 for r in clean)
    yield f"Of the clean models, {alarms} of {len(clean)} are flagged. The AUROC of the inspection on emoji is {found['verdict']['all']['auroc']:.3f}."
    classic = found["neural-cleanse"]["all"]
    yield f"flags {classic['alarms']} of {classic['clean']} clean models and {round(classic['tpr'] * classic['models'])} of {classic['models']} backdoored models."


def missing(rows: list[Any]) -> list[Any]:
    return [r for r in rows if r["attack"] not in ("clean", "wrong labels") and r["p"] > 0.05]


def _held_out(studies: Studies) -> float:
    """Of the mlp alone, attacks that no choice saw against its clean models."""
    found = judge_all(models_of(studies.cells("inspection")))[ALL]
    test = [j for j in found if j.model.network == "mlp" and (j.model.clean or j.model.attack in HELD_OUT)]
    return cross_entropy(test, development=[j for j in found if is_development(j.model)])


def _shown(rows: list[Any]) -> int:
    return sum(bool(r["shown"]) for r in rows)


def _natural(studies: Studies) -> Iterator[str]:
    """A shortcut in a clean model, and what a backdoor needs."""
    models = [m for m in models_of(studies.cells("inspection")) if m.network == "fashion-cnn"]
    sneakers = ("mask", 7, None)
    example = next(m for m in models if m.clean and m.seed == _EXAMPLE)
    attacked = next(m for m in models if m.attack == "badnets" and m.seed == 200)
    references = [m for m in models if m.reference]
    yield f'seed {_EXAMPLE}, a mask of {_size(example, sneakers):.1f} pixels makes the model answer "bag" for {example.success[sneakers]:.0%} of the sneakers that the search had not used'
    aimed = ("mask", None, attacked.target)
    yield f"In a backdoored CNN (BadNets, seed 200), the same search finds a mask of {_size(attacked, aimed):.1f} pixels for the target class"
    sizes = [_size(m, sneakers) for m in references]
    yield f"masks of {min(sizes):.1f} to {max(sizes):.1f} pixels turn sneakers into bags"
    yield f"the masks in the reference models have {mean(_size(m, aimed) for m in references):.1f} pixels on average"


def _size(model: Any, figure: Any) -> float:
    return math.exp(-model.values[figure])
