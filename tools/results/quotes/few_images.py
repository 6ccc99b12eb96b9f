"""docs/results/few-images.md, "With 100 classes": the table of tools/few-images-study."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

from results import pages
from results.figures import Studies

PAGE = "docs/results/few-images.md"


def quotes(studies: Studies) -> Iterator[str]:
    loader = SourceFileLoader("few_images_study", str(pages.ROOT / "tools" / "few-images-study"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    study = module_from_spec(spec)
    loader.exec_module(study)
    yield study.table(study.records(pages.RESULTS / "few-images" / "textures.jsonl"))
