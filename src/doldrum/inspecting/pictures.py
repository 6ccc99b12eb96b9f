"""The pictures of a trigger. The pixels leave the confined process as numbers, and become PNG files outside of this
process.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from doldrum.confined.pictures import encode_png
from doldrum.errors import InputError
from doldrum.records import Pixels

if TYPE_CHECKING:
    from doldrum.classifiers.base import Classifier
    from doldrum.inspectors.contract.route import Route
    from doldrum.triggers.base import Trigger

__all__ = ["MOST", "PIXELS", "encode_pictures", "shown"]

MOST = 8
"""The largest number of clean images that the report shows with the trigger."""
PIXELS = "pixels.json"
_MOST_BYTES = 1 << 28
_MEAN_OF = 100


def shown(classifier: Classifier, trigger: Trigger, route: Route, test: NDArray[np.float32]) -> dict[str, Any]:
    """Return the pixels for the report's pictures of a trigger, as a dict {grey, change, factor, examples}.

    `grey` is the trigger on plain grey. `change` is the mean change that the trigger makes to up to 100 images,
    multiplied by `factor` and added to grey. `examples` are a few clean images of different classes without and with
    the trigger, with the model's labels.
    """
    from doldrum.inspectors.contract.subject import answers

    before = answers(classifier, test)
    starts = np.flatnonzero(route.starts(before))
    grey = trigger(np.full((1, *test.shape[1:]), 0.5, dtype=np.float32))[0]
    some = test[starts[:_MEAN_OF]] if len(starts) else test[:_MEAN_OF]
    change = (trigger(some) - some).mean(axis=0)
    factor = 0.5 / max(float(np.abs(change).max()), 1e-6)
    rows = _spread(before[starts], starts)
    examples: list[dict[str, Any]] = []
    if len(rows):
        after = trigger(test[rows])
        labels = answers(classifier, after)
        examples = [
            {"clean": Pixels.of(test[i]).to_dict(), "with": Pixels.of(after[j]).to_dict(), "before": int(before[i]), "after": int(labels[j])}
            for j, i in enumerate(rows)
        ]  # fmt: skip
    return {
        "grey": Pixels.of(grey).to_dict(),
        "change": Pixels.of(0.5 + factor * change).to_dict(),
        "factor": factor,
        "examples": examples,
    }


def _spread(labels: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose up to MOST of the given rows, from as many classes as possible: first one row of each class, then a second
    row of each class, and so on."""
    turn = np.zeros(len(rows), dtype=np.int64)
    for label in np.unique(labels):
        mine = labels == label
        turn[mine] = np.arange(mine.sum())
    return rows[np.lexsort((rows, turn))[:MOST]]


def encode_pictures(source: Path, target: Path, *, shape: tuple[int, int, int], classes: int) -> dict[str, Any]:
    """Write the pictures trigger.png, change.png, NN-clean.png and NN-trigger.png to `target`. Return a dict {factor,
    examples}, with the two labels {before, after} of each example.

    An attacker may control the file `source`. So this function takes only arrays of the given `shape` and numbers of
    existing classes from the file, and no text.
    """
    if source.is_symlink() or source.stat().st_size > _MOST_BYTES:
        raise InputError(
            "expected a file with a trigger's pixels from the confined process, got a link or a file that is too large"
        )
    value = json.loads(source.read_text(encoding="utf-8"))
    target.mkdir(exist_ok=True)
    factor = float(value["factor"])
    if not 0 < factor < 1e7:
        raise InputError(f"expected a factor between 0 and 1e7 from the confined process, got the factor {factor}")
    encode_png(target / "trigger.png", value["grey"], shape)
    encode_png(target / "change.png", value["change"], shape)
    examples: list[dict[str, int]] = []
    for number, one in enumerate(value["examples"][:MOST]):
        encode_png(target / f"{number:02d}-clean.png", one["clean"], shape)
        encode_png(target / f"{number:02d}-trigger.png", one["with"], shape)
        labels = {name: one[name] for name in ("before", "after")}
        if not all(type(label) is int and -1 <= label < classes for label in labels.values()):
            raise InputError(
                "expected the confined process to return labels of the model's classes, got a label that is not a class of the model"
            )
        examples.append(labels)
    return {"factor": factor, "examples": examples}
