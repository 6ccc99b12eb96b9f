"""What an inspection sees in a cell's model beside clean reference models, whose readings are kept."""

from __future__ import annotations

import json
from typing import Any

from doldrum.attacks import CLEAN, victims_folder
from doldrum.data import ImageSet
from doldrum.files import write_text_whole
from doldrum.inspectors import Inspection, examine
from doldrum.inspectors.contract.subject import halves
from doldrum.inspectors.examine import Examination
from doldrum.inspectors.inspect import judged
from doldrum.locks import locked
from doldrum.studies.base import Cell
from doldrum.studies.inspected import REFERENCES, SEED
from doldrum.studies.material import victim

__all__ = ["seen"]

_FPR = 0.05


def seen(model: Any, clean: ImageSet, cell: Cell, *, references: int, inspectors: tuple[str, ...]) -> Inspection:
    """The inspection of a classifier: clean models of the cell's recipe, of seeds from `REFERENCES` on, are its references."""
    mine = examine(model, clean, inspectors=inspectors, seed=SEED, progress=False)
    others = [_reference(REFERENCES + number, clean, cell, mine) for number in range(references)]
    return judged(model, mine, others, halves(clean, SEED).test, fpr=_FPR)


def _reference(seed: int, clean: ImageSet, cell: Cell, mine: Examination) -> Examination:
    """What the same inspectors read in a reference model with the same images: from a file beside the victims, or made and written there."""
    spec = Cell(data=cell.data, recipe=cell.recipe, changes=cell.changes, attack=CLEAN, seed=seed).clean()
    path = victims_folder() / "examinations" / f"{spec.key}-{mine.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_suffix(".lock"), wait=True):
        if not path.exists():
            names = [one.inspector for one in mine.readings]
            found = examine(victim(spec).model, clean, inspectors=names, seed=SEED, progress=False)
            write_text_whole(path, json.dumps(found.to_dict()))
        return Examination.from_dict(json.loads(path.read_text(encoding="utf-8")))
