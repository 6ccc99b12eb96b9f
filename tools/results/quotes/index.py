"""docs/index.md: what the demo finds."""

from __future__ import annotations

from collections.abc import Iterator

from results import demo
from results.figures import Studies, short, table

PAGE = "docs/index.md"


def quotes(studies: Studies) -> Iterator[str]:
    from doldrum.records import ModelSummary
    from doldrum.report.demo.table import rows

    yield demo.sizes()
    models = [ModelSummary.from_dict(model) for model in demo.shown()["models"]]
    lines = [[what, *(f"{value} ({limits})" for value, limits in cells)] for what, cells in rows(models)]
    yield from table(["", *(f"{model.name} model" for model in models)], lines).splitlines()
    yield f"W at sigma = {short(demo.shown()['sigma_half'], 3)}, where"
    yield from spread()


def spread() -> Iterator[str]:
    """What another seed, or another processor, finds."""
    yield f"{demo.sentence()}, at sigma {demo.between('full', lambda run: run['sigma_half'], short)}"
    yield (
        f"clean accuracy {demo.between('full', demo.share('clean_accuracy'), demo.percent)}, attack success "
        f"{demo.between('full', demo.share('asr'), demo.percent)}"
    )
