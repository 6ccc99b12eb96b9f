"""docs/results/few-images.md, "With 100 classes": the table of tools/few-images-study."""

from __future__ import annotations

from collections.abc import Iterator

from results import few_images, pages
from results.figures import Studies

PAGE = "docs/results/few-images.md"


def quotes(studies: Studies) -> Iterator[str]:
    yield few_images.table(few_images.records(pages.RESULTS / "few-images" / "textures.jsonl"))
