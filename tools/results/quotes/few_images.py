"""docs/results/few-images.md, "With 10, 100 and 1,000 classes": the table of tools/few-images-study and tools/imagenet-study."""

from __future__ import annotations

from collections.abc import Iterator

from results import few_images, pages
from results.figures import Studies

PAGE = "docs/results/few-images.md"


def quotes(studies: Studies) -> Iterator[str]:
    files = [pages.RESULTS / "few-images" / f"{name}.jsonl" for name in ("fashion", "transfer", "textures", "imagenet")]
    yield few_images.table([record for file in files for record in few_images.records(file)])
