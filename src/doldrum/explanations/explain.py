"""explain: what in flagged images is the trigger, found and tested from labels alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from doldrum.checks import is_number, whole_number
from doldrum.classifiers import as_classifier
from doldrum.data import Images, ImageSet, as_image_set, to_float
from doldrum.errors import InputError
from doldrum.explanations import effort as efforts
from doldrum.explanations.asking import Asker
from doldrum.explanations.kept import Kept
from doldrum.explanations.pools import Pools
from doldrum.explanations.search import Searcher, Source
from doldrum.explanations.trial import Trial
from doldrum.measuring.inputs import wanted_by
from doldrum.progress import progress_bar
from doldrum.records.explanations import Explanations

__all__ = ["FEWEST_CLEAN", "MOST_IMAGES", "explain"]

FEWEST_CLEAN = 60
"""Clean images without which no class can have enough held-back ones."""
MOST_IMAGES = 256
"""Images explained at once: each has its own test, and they share one error."""
_MOST_CLEAN_BYTES = 1 << 30
_SAMPLE = 32


def explain(
    classifier: Any,
    images: Images,
    clean: Images,
    *,
    alpha: float = 0.05,
    max_queries: int | None = None,
    seed: int = 0,
    engine: str = "auto",
    progress: bool = True,
    on_step: Any = None,
    kept: Path | None = None,
) -> Explanations:
    """Find what in each image carries its label to other images, and test it on clean images that the search never used."""
    model = as_classifier(classifier)
    if not (is_number(alpha) and 0 < alpha < 1):
        raise InputError(f"expected alpha= between 0 and 1, got {alpha!r}; e.g. 0.05")
    if max_queries is not None:
        whole_number(max_queries, "max_queries=", least=1)
    seed = whole_number(seed, "seed=", least=0)
    flagged = as_image_set(images, **wanted_by(model))
    trusted = as_image_set(clean, **wanted_by(model))
    _check(model, flagged, trusted)
    trusted, notes = _apart(flagged, trusted)
    effort = efforts.fitting(max_queries, len(flagged))
    pixels = to_float(trusted.images[: max(FEWEST_CLEAN, _MOST_CLEAN_BYTES // (4 * int(np.prod(model.input_shape))))])
    asker = Asker(model, pixels[:_SAMPLE], engine=engine, most=max_queries)
    memory = Kept(asker, kept)
    labels = np.array(memory.get("clean", lambda: asker.labels(pixels).tolist()), dtype=np.int64)
    shown = to_float(flagged.images)
    answers = memory.get("images", lambda: asker.labels(shown).tolist())
    pools = Pools(pixels, labels, effort, seed=seed)
    searcher = Searcher(asker, pools, memory, seed=seed)
    sources = [Source(f"image-{i}", shown[i : i + 1], int(label)) for i, label in enumerate(answers)]
    trial = Trial(searcher, sources, alpha=alpha)
    with progress_bar("explaining", trial.steps, show=progress and on_step is None) as advance:
        found = trial.run([str(i) for i in flagged.ids], on_step or advance)
    if trial.cut_short:
        notes.append(
            f"The {max_queries:,} queries allowed were not enough for all: what was not reached is said to be unproven."
        )
    return Explanations(
        explained=tuple(found), alpha=alpha, seed=seed, clean=len(pixels), queries=asker.queries, notes=tuple(notes)
    )


def _check(model: Any, flagged: ImageSet, trusted: ImageSet) -> None:
    for one, name in ((flagged, "images"), (trusted, "clean images")):
        if one.input_shape != model.input_shape:
            raise InputError(
                f"expected {name} of shape {model.input_shape}, got {one.input_shape}; resize or convert them"
            )
    if len(flagged) > MOST_IMAGES:
        raise InputError(
            f"expected at most {MOST_IMAGES} images to explain, got {len(flagged):,}; take the most suspicious"
        )


def _apart(flagged: ImageSet, trusted: ImageSet) -> tuple[ImageSet, list[str]]:
    """Clean images without those that are explained, pixel by pixel; InputError where too few are left."""
    known = {to_float(image).tobytes() for image in flagged.images}
    rows = [i for i, image in enumerate(trusted.images) if to_float(image).tobytes() not in known]
    if len(rows) < FEWEST_CLEAN:
        same = " that are not explained themselves" if len(rows) < len(trusted) else ""
        raise InputError(
            f"expected at least {FEWEST_CLEAN} clean images{same}, got {len(rows)}; add some: what is found is tested on images that the "
            "search never used"
        )
    if len(rows) == len(trusted):
        return trusted, []
    left = len(trusted) - len(rows)
    return trusted.take(rows), [
        f"{left:,} of the clean images {'is' if left == 1 else 'are'} among those explained, and {'was' if left == 1 else 'were'} not used as clean."
    ]
