"""What holds for every baseline detector."""

from __future__ import annotations

import numpy as np
import pytest
from detector_specimens import normed_classifier, pool

from doldrum import detectors
from doldrum.detectors import IBDPSC, PSBD, RPP, STRIP, ScaleUp, TeCo, W
from doldrum.detectors.contract import detector as base
from doldrum.probes import CORRUPTIONS

DETECTORS = [
    lambda: STRIP(draws=5, seed=1),
    lambda: ScaleUp(seed=1),
    lambda: TeCo(kinds=["fog", "contrast", "snow"], seed=1),
    lambda: IBDPSC(models=2, seed=1),
    lambda: PSBD(seed=1),
    lambda: RPP(draws=5, strength=0.2, seed=1),
]


@pytest.mark.parametrize("make", DETECTORS, ids=lambda make: make().name)
def test_scores_depend_on_the_image_alone_and_settings_are_kept(make, monkeypatch) -> None:
    clf, x = normed_classifier(), pool(40, 6)
    det = make().fit(clf, pool(30)).calibrate(pool(60, 2), fpr=0.05)
    first = det.scan(x)
    assert np.isfinite(first.scores).all()
    order = np.random.default_rng(0).permutation(40)
    monkeypatch.setattr(base, "_BATCH", 7)
    again = det.scan(x[order])
    assert np.array_equal(again.scores, first.scores[order])
    assert np.array_equal(again.p_values, first.p_values[order])
    assert np.array_equal(det.scan(x[3:5]).scores, first.scores[3:5])
    twin = make().fit(clf, pool(30)).calibrate(pool(60, 2), fpr=0.05)
    assert np.array_equal(twin.scan(x).scores, first.scores)
    assert type(det)(**det.settings).settings == det.settings
    assert det.paper
    for name in det.learned:
        assert getattr(det, name) is not None


def test_every_detector_is_shown_and_tested() -> None:
    """A new one has a line in `detectors/__init__` and one in DETECTORS above, or a file of its own that checks the same."""
    assert {kind.__name__ for kind in detectors.DETECTORS.values()} <= set(detectors.__all__)
    own = {"profile", "staged-profile", "max-softmax", "w", "frequency"}
    assert {make().name for make in DETECTORS} | own == set(detectors.DETECTORS)


PAPERS = {
    STRIP: {"draws": 100, "mode": "relative", "weight": 1.0},
    ScaleUp: {"factors": (3.0, 5.0, 7.0, 9.0, 11.0)},
    TeCo: {"kinds": CORRUPTIONS, "table": "imagenet-c"},
    IBDPSC: {"models": 5, "omega": 1.5, "xi": 0.6},
    PSBD: {"draws": 3, "rate": None, "where": "blocks"},
    RPP: {"draws": 100, "strength": None},
    W: {"draws": 100, "strength": None},
}


@pytest.mark.parametrize("kind", PAPERS, ids=lambda kind: kind.name)
def test_defaults_are_what_the_docstring_says(kind) -> None:
    assert kind().settings == PAPERS[kind] | {"seed": None}
