"""What was found so far is kept: a run that was cut off goes on, and counts what it asked before."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from marked import SHAPE, backdoored, clean_images, flagged, marked

from doldrum.classifiers import as_classifier
from doldrum.data import ImageSet
from doldrum.explanations.asking import Asker, OutOfQueries
from doldrum.explanations.explain import explained
from doldrum.explanations.kept import Kept


@contextlib.contextmanager
def bar(total):
    yield lambda done: None


class Killed(Exception):
    pass


def test_a_run_that_is_cut_off_anywhere_goes_on_to_the_same_end(tmp_path):
    model = backdoored()
    images, clean = ImageSet(flagged(model, marked, 2)), ImageSet(clean_images(300))
    more = {"alpha": 0.05, "max_queries": None, "seed": 1, "engine": "eager", "bar": bar}
    whole = explained(model, images, clean, kept=None, **more)
    path, runs, asked = tmp_path / "found.jsonl", 0, []

    def answer(x):
        asked.append(len(x))
        if sum(asked) > 5000:
            raise Killed
        return model(x)

    cut = as_classifier(answer, input_shape=SHAPE, num_classes=4, outputs="labels")
    while True:
        try:
            found = explained(cut, images, clean, kept=path, **more)
            break
        except Killed:
            runs += 1
            asked.clear()
    assert runs > 2
    assert found == whole


def test_a_line_cut_off_by_a_kill_is_made_again(tmp_path):
    path = tmp_path / "found.jsonl"
    asker = Asker(backdoored(), clean_images(8))
    kept = Kept(asker, path)
    kept.get("a", lambda: asker.labels(clean_images(5)).tolist())
    path.write_bytes(path.read_bytes() + b'["b",[1,')
    again = Asker(backdoored(), clean_images(8), most=6)
    known = Kept(again, path)
    assert known.get("a", lambda: pytest.fail("asked again")) == kept.get("a", list)
    assert again.queries == 5
    assert known.get("b", lambda: 3) == 3
    assert path.read_text().count("\n") == 2
    with pytest.raises(OutOfQueries):
        again.labels(np.zeros((2, *SHAPE), np.float32))
