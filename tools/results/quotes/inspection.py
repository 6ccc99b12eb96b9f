"""docs/results/inspection.md."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from results.figures import Studies

PAGE = "docs/results/inspection.md"
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
    yield f"{sum(r['p'] <= 0.05 for r in wrong)} of {len(wrong)} such models are suspicious, and in {_shown(wrong)} a backdoor is shown."
    classic = studies["inspection"]["numbers"]["inspectors"]["neural-cleanse"]["all"]
    yield f"alarms on {classic['alarms']} of {classic['clean']} clean models and on {round(classic['tpr'] * classic['models'])} of {classic['models']} backdoored ones"
    works = [r for r in rows if r["attack"] not in ("clean", "wrong labels", "label-consistent") and r["asr"] >= 2 / 3]
    yield f"the triggers found are at least {min(r['smaller'] for r in works):.1f} times smaller than in the references"
    yield f"With wrong labels alone they are {min(r['smaller'] for r in wrong):.1f} to {max(r['smaller'] for r in wrong):.1f} times smaller"


def _shown(rows: list[Any]) -> int:
    return sum(bool(r["shown"]) for r in rows)
