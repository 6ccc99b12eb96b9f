"""What an inspection sees in a cell's model beside clean reference models, whose readings are kept."""

from __future__ import annotations

import json

from doldrum.attacks import VictimSpec, victims_folder
from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.files import write_text_whole
from doldrum.inspectors import Inspection, examine
from doldrum.inspectors.contract.subject import halves
from doldrum.inspectors.examine import Examination
from doldrum.inspectors.inspect import judged
from doldrum.locks import locked
from doldrum.studies.inspected import REFERENCES, SEED, ModelCell
from doldrum.studies.material import victim

__all__ = ["seen"]

_FPR = 0.05


def seen(model: Classifier, clean: ImageSet, cell: ModelCell, *, references: int) -> Inspection:
    """The inspection of a classifier: clean models of the cell's recipe, of seeds from `REFERENCES` on, are its references."""
    mine = examine(model, clean, inspectors=cell.inspectors, seed=SEED, progress=False)
    others = [_reference(cell.clean(REFERENCES + number), clean, cell, mine.key) for number in range(references)]
    return judged(model, mine, others, halves(clean, SEED).test, fpr=_FPR)


def _reference(spec: VictimSpec, clean: ImageSet, cell: ModelCell, key: str) -> Examination:
    """What the cell's inspectors read in a reference model with the same images: from a file beside the victims, or made and written there."""
    path = victims_folder() / "examinations" / f"{spec.key}-{key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_suffix(".lock"), wait=True):
        if not path.exists():
            found = examine(victim(spec).model, clean, inspectors=cell.inspectors, seed=SEED, progress=False)
            write_text_whole(path, json.dumps(found.to_dict()))
        return Examination.from_dict(json.loads(path.read_text(encoding="utf-8")))
