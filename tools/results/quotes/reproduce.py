"""docs/tutorials/reproduce-the-paper.md: the demo, which does the same on real images."""

from __future__ import annotations

from collections.abc import Iterator

from results import demo
from results.figures import Studies

PAGE = "docs/tutorials/reproduce-the-paper.md"


def quotes(studies: Studies) -> Iterator[str]:
    yield demo.sentence()
    yield f"attack success was {demo.between('full', demo.share('asr'), demo.percent)}"
