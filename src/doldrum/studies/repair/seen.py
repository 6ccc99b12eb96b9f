"""Inspect a cell's model and compare it with clean reference models, whose results are saved."""

from __future__ import annotations

import json

from doldrum.attacks import VictimSpec, victims_folder
from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.data.places import written_alone
from doldrum.files import write_text_whole
from doldrum.inspectors import Inspection, examine
from doldrum.inspectors.contract.subject import halves
from doldrum.inspectors.examine import Examination
from doldrum.inspectors.inspect import judged
from doldrum.studies.inspected import REFERENCES, SEED, ModelCell
from doldrum.studies.material import victim

__all__ = ["seen"]

_FPR = 0.05


def seen(model: Classifier, clean: ImageSet, cell: ModelCell, *, references: int) -> Inspection:
    """Inspect a classifier; its reference models are clean models with the cell's recipe and with seeds of at least `REFERENCES`."""
    mine = examine(model, clean, inspectors=cell.inspectors, seed=SEED, progress=False)
    others = [_reference(cell.clean(REFERENCES + number), clean, cell, mine.key) for number in range(references)]
    return judged(model, mine, others, halves(clean, SEED).test, fpr=_FPR)


def _reference(spec: VictimSpec, clean: ImageSet, cell: ModelCell, key: str) -> Examination:
    """The results of the cell's inspectors for one reference model, inspected with the clean images `clean`.

    The results are read from a file in the folder of attacked models. If there is no file, the results are computed and saved.
    """
    path = victims_folder() / "examinations" / f"{spec.key}-{key}.json"
    with written_alone(path.parent, of=path.stem, moved_by="DOLDRUM_VICTIMS"):
        if not path.exists():
            found = examine(victim(spec).model, clean, inspectors=cell.inspectors, seed=SEED, progress=False)
            write_text_whole(path, json.dumps(found.to_dict()))
        return Examination.from_dict(json.loads(path.read_text(encoding="utf-8")))
