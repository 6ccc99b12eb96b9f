from __future__ import annotations

import math

import numpy as np
import pytest
from detector_specimens import black_box, pool

from doldrum.detectors import TeCo
from doldrum.errors import InputError
from doldrum.probes import CORRUPTIONS, Corruptions


def reference(classifier, x: np.ndarray, kinds, table: str, seed: int) -> float:
    """Liu et al., algorithm 1: every severity on the image itself, one at a time."""
    label, firsts = classifier(x[None])[0], []
    for kind in kinds:
        first = 6
        for severity in range(1, 6):
            out = np.zeros((1, *x.shape), np.float32)
            Corruptions([kind], severities=[severity], table=table, seed=seed).fill(x.copy(), 0, 0, 1, out)
            if classifier(out)[0] != label:
                first = severity
                break
        firsts.append(first)
    mean = sum(firsts) / len(firsts)
    return math.sqrt(sum((first - mean) ** 2 for first in firsts) / len(firsts))


@pytest.mark.parametrize("table", ["imagenet-c", "cifar-10-c"])
def test_score_is_the_papers_input_by_input(table) -> None:
    clf, x = black_box("labels"), pool(12, 1)
    det = TeCo(table=table, seed=2).fit(clf, pool(2))
    seed = det.probe_seed("corruption")
    expected = [reference(clf, image, CORRUPTIONS, table, seed) for image in x]
    assert np.allclose(det.score_samples(x), expected)
    assert len(set(expected)) > 4
    assert det.forwards == 71


def test_the_image_is_left_alone_and_a_constant_classifier_scores_nought() -> None:
    import doldrum as dd

    x = pool(4, 1)
    before = x.copy()
    same = dd.as_classifier(lambda a: np.zeros(len(a), int), input_shape=(1, 8, 8), num_classes=2, outputs="labels")
    det = TeCo(kinds=["fog", "contrast"], seed=0).fit(same, pool(2))
    assert not det.score_samples(x).any()  # never flips: 6 everywhere
    assert np.array_equal(x, before)
    assert det.forwards == 11


def test_wrong_settings_are_refused() -> None:
    for wrong in ({"kinds": ["frost"]}, {"table": "x"}):
        with pytest.raises(InputError, match="expected"):
            TeCo(**wrong)
