"""docs/tutorials/first-ten-minutes.md: what the demo finds."""

from __future__ import annotations

from collections.abc import Iterator

from results import demo
from results.figures import Studies, short, table

PAGE = "docs/tutorials/first-ten-minutes.md"


def quotes(studies: Studies) -> Iterator[str]:
    from doldrum.records import ModelSummary
    from doldrum.report.demo.table import rows

    yield demo.sizes()
    models = [ModelSummary.from_dict(model) for model in demo.shown()["models"]]
    lines = [[what, *(f"{value} ({limits})" for value, limits in cells)] for what, cells in rows(models)]
    yield from table(["", *(f"{model.name} model" for model in models)], lines).splitlines()
    yield f"W is measured at sigma = {short(demo.shown()['sigma_half'], 3)}."
    yield changed()
    yield from spread()
    yield f"The demo took {demo.seconds('full')}"


def changed() -> str:
    clean, bad = demo.shown()["models"]
    assert bad["w_change_ci"][1] < 0, "W falls on the backdoored network"
    return (
        f"On the backdoored network, the trigger changes mean W by {demo.changed(bad)}, from {short(bad['w_clean'], 3)} to "
        f"{short(bad['w_triggered'], 3)}. On the clean network, the trigger changes mean W by {demo.changed(clean)}."
    )


def spread() -> Iterator[str]:
    """What another seed, or another processor, finds."""
    yield f"{demo.sentence()}, at sigma {demo.between('full', lambda run: run['sigma_half'], short)}"
    yield (
        f"clean accuracy {demo.between('full', demo.share('clean_accuracy'), demo.percent)}, attack success "
        f"{demo.between('full', demo.share('asr'), demo.percent)}"
    )
