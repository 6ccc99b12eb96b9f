"""docs/results/repair.md."""

from __future__ import annotations

from collections.abc import Iterator

from doldrum.report.studies.repair.page import lower_than
from results.figures import Row, Studies, mean, short

PAGE = "docs/results/repair.md"
_SIZE = 1000


def quotes(studies: Studies) -> Iterator[str]:
    every = studies.rows("repair", "repairs", inputs=_SIZE)
    attacked = [r for r in every if r["attack"] != "clean"]
    clean = [r for r in every if r["attack"] == "clean"]
    yield f"{_models(attacked)} backdoored models and {_models(clean)} clean ones"
    yield f"In {sum(r['found'] for r in attacked if r['method'] == 'unlearn')} of {_models(attacked)} backdoored models, the trigger that was found starts from the same classes, and leads to the same class, as the attacker's."
    for name in dict.fromkeys(r["method"] for r in every):
        mine = [r for r in attacked if r["method"] == name]
        free = [r for r in clean if r["method"] == name]
        yield (
            f"| `{name}` | {len(mine)} | {_percent(mean(r['asr'] for r in mine))} | {_percent(max(r['asr'] for r in mine))} | {_points(mine)} | "
            f"{_points(free)} | {short(mean(r['der'] for r in mine))} | {mean(r['cpu_seconds'] for r in mine):.0f} s |"
        )
    found = lower_than([dict(r) for r in attacked], "unlearn", "fine-tune", _SIZE)
    yield f"by {100 * found.value:.0f} points (95%: {100 * found.lower:.0f} to {100 * found.upper:.0f})"
    yield f"The attacks succeed on {_percent(mean(r['asr_before'] for r in attacked if r['method'] == 'unlearn'))} of images before the repair."
    worst = max((r for r in attacked if r["method"] == "unlearn"), key=lambda r: r["asr"])
    yield f"{_percent(worst['asr'])} ({worst['attack']}, seed {worst['seed']})"


def _models(rows: list[Row]) -> int:
    return len({(r["attack"], r["seed"]) for r in rows})


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _points(rows: list[Row]) -> str:
    return f"{100 * mean(r['lost'] for r in rows):.2f}"
