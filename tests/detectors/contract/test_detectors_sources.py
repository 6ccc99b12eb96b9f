"""Detectors, guards, scans to a folder and the outlier detector take every source of images, and judge as they judge its array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from image_sources import Numbers, last, sources, unlabelled

import doldrum as dd
from doldrum.detectors import MaxSoftmax, W
from doldrum.detectors.deploy.guard import Guard
from doldrum.detectors.deploy.scanning import scan_to
from doldrum.errors import InputError

RNG = np.random.default_rng(0)
CLEAN = RNG.integers(0, 256, (60, 1, 8, 8), dtype=np.uint8)
IMAGES = RNG.integers(0, 256, (10, 1, 8, 8), dtype=np.uint8)
LABELS = np.arange(10) % 3
MAKERS = {**sources(IMAGES, LABELS), **unlabelled(IMAGES)}


def fitted(clf: Any, form: Any = lambda x: x) -> Any:
    """Fitted and calibrated on the clean images in some form."""
    return W(strength=0.3, draws=10, seed=0).fit(clf, form(CLEAN[:10])).calibrate(form(CLEAN[10:]), fpr=0.05)


@pytest.fixture
def want(clf) -> pd.DataFrame:
    return fitted(clf).scan(IMAGES).to_frame()


@pytest.mark.parametrize("name", MAKERS)
def test_every_source_is_judged_as_its_array(clf, want, name) -> None:
    det = fitted(clf)
    pd.testing.assert_frame_equal(det.scan(MAKERS[name]()).to_frame(), want)
    assert np.array_equal(det.score_samples(MAKERS[name]()), want["score"])


@pytest.mark.parametrize("form", [lambda x: Numbers(x, np.zeros(len(x))), lambda x: list(map(last, x)), iter])
def test_fit_and_calibration_take_them_too(clf, want, form) -> None:
    pd.testing.assert_frame_equal(fitted(clf, form).scan(IMAGES).to_frame(), want)


def test_an_item_that_raises_is_listed_by_scan_and_refused_elsewhere(clf, want, tmp_path) -> None:
    det, broken = fitted(clf), Numbers(IMAGES, LABELS, broken=(7,))
    result = det.scan(broken)
    without = want.drop(index=7).reset_index(drop=True)
    pd.testing.assert_frame_equal(result.to_frame(), without)
    assert result.skipped == (("7", "item 7 of the Numbers raised ValueError: no pixels in 7"),)
    summary = scan_to(det, broken, tmp_path / "out", progress=False)
    assert summary["complete"]
    assert summary["skipped"] == [{"path": "7", "reason": "item 7 of the Numbers raised ValueError: no pixels in 7"}]
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out" / "part-00000.parquet"), without, check_dtype=False)
    for step in (det.score_samples, Guard(clf, det), det.calibrate, lambda x: det.fit(clf, x)):
        with pytest.raises(InputError, match="item 7 of the Numbers raised ValueError"):
            step(broken)


def test_a_guard_and_a_scan_judge_a_source_as_its_array(clf, want, tmp_path) -> None:
    det = fitted(clf)
    found = Guard(clf, det)(MAKERS["loader"]())
    assert np.array_equal(found.labels, np.where(want["flag"], -1, want["label"]))
    scan_to(det, MAKERS["generator of batches"](), tmp_path / "out", progress=False)
    assert np.allclose(pd.read_parquet(tmp_path / "out" / "part-00000.parquet")["score"], want["score"])


def test_the_outlier_detector_takes_sources_and_rows_alike(clf) -> None:
    rows = CLEAN.reshape(60, -1) / 255
    by_rows = dd.detectors.OutlierDetector(MaxSoftmax(), clf, fpr=0.1).fit(rows)
    by_set = dd.detectors.OutlierDetector(MaxSoftmax(), clf, fpr=0.1).fit(Numbers(CLEAN, np.zeros(60)))
    scores = by_rows.score_samples(IMAGES.reshape(10, -1) / 255)
    for name in ("dataset of pictures", "loader", "list of arrays", "hugging face", "slices"):
        assert np.allclose(by_set.score_samples(MAKERS[name]()), scores)
    assert by_set.n_features_in_ == 64
    with pytest.raises(InputError, match="item 7 of the Numbers raised"):
        by_set.predict(Numbers(IMAGES, LABELS, broken=(7,)))
    with pytest.raises(InputError, match="at least 2 images"):
        dd.detectors.OutlierDetector(MaxSoftmax(), clf).fit([IMAGES[0]])
