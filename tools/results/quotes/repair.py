"""docs/results/repair.md."""

from __future__ import annotations

from collections.abc import Iterator

from doldrum.report.studies.repair.page import lower_than
from results.figures import Row, Studies, mean, short

PAGE = "docs/results/repair.md"
_SIZE = 1000
_TOOK = 0.5  # of images: where an attack succeeds on fewer, it failed, and there is nothing to repair


def quotes(studies: Studies) -> Iterator[str]:
    every = studies.rows("repair", "repairs", inputs=_SIZE)
    attacked, clean = _apart(every)
    yield f"{_models(attacked)} backdoored models and {_models(clean)} clean ones"
    yield f"In {sum(r['found'] for r in attacked if r['method'] == 'unlearn')} of {_models(attacked)} backdoored models, the trigger that was found starts from the same classes, and leads to the same class, as the attacker's trigger."
    yield from _table(every)
    found = lower_than([dict(r) for r in attacked], "unlearn", "fine-tune", _SIZE)
    yield f"by {100 * found.value:.0f} points (95% interval: {100 * found.lower:.0f} to {100 * found.upper:.0f})"
    yield f"The attacks succeed on {_before(attacked)} of images before the repair."
    yield f"the highest success rate is {_worst(attacked)}"
    for name, size, least in (
        ("repair-201", _SIZE, 0.0),
        ("repair-203", 250, 0.0),
        ("repair-203", 3000, 0.0),
        ("repair-textures", _SIZE, _TOOK),
    ):
        rows = [
            r for r in studies.rows(name, "repairs", inputs=size) if r["attack"] == "clean" or r["asr_before"] >= least
        ]
        attacked, _ = _apart(rows)
        yield f"{_models(attacked)} backdoored models, on which the attacks succeed on {_before(attacked)} of images"
        yield f"the highest success rate of an attack is {_worst(attacked)}"
        yield from _table(rows)
    for size in (250, 3000):
        yield from _signs(studies, "repair-203", size)
    yield from _signs(studies, "repair-202", 250)


def _signs(studies: Studies, study: str, size: int) -> Iterator[str]:
    """How `unlearn` did where the inspection saw a sign of a backdoor, and where it saw none."""
    cells = [e.values for e in studies.cells(study) if e.cell["attack"] != "clean" and e.cell["inputs"] == size]
    seen, other = ([c for c in cells if (c["inspection"]["verdict"] == "no sign") is none] for none in (False, True))
    yield f"a sign of a backdoor in {len(seen)} of {len(cells)} models"
    for some in (seen, other):
        left = [next(m["asr"] for m in c["methods"] if m["method"] == "unlearn") for c in some]
        yield f"the mean success rate after `unlearn` is {_percent(mean(left))}, and the highest is {_percent(max(left))}"


def _apart(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    """Those of backdoored models, and those of clean ones."""
    return [r for r in rows if r["attack"] != "clean"], [r for r in rows if r["attack"] == "clean"]


def _table(rows: list[Row]) -> Iterator[str]:
    """A row for each method."""
    attacked, clean = _apart(rows)
    for name in dict.fromkeys(r["method"] for r in rows):
        mine = [r for r in attacked if r["method"] == name]
        free = [r for r in clean if r["method"] == name]
        yield (
            f"| `{name}` | {len(mine)} | {_percent(mean(r['asr'] for r in mine))} | {_percent(max(r['asr'] for r in mine))} | {_points(mine)} | "
            f"{_points(free) if free else '–'} | {short(mean(r['der'] for r in mine))} | {mean(r['cpu_seconds'] for r in mine):.0f} s |"
        )


def _before(rows: list[Row]) -> str:
    return _percent(mean(r["asr_before"] for r in rows if r["method"] == "unlearn"))


def _worst(rows: list[Row]) -> str:
    worst = max((r for r in rows if r["method"] == "unlearn"), key=lambda r: r["asr"])
    return f"{_percent(worst['asr'])} ({worst['attack']}, seed {worst['seed']})"


def _models(rows: list[Row]) -> int:
    return len({(r["attack"], r["seed"]) for r in rows})


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def _points(rows: list[Row]) -> str:
    return f"{100 * mean(r['lost'] for r in rows):.2f}"
