"""Fit, calibration and scans by workers: bit for bit those of one process; a lost worker and a killed run lose nothing."""

from __future__ import annotations

import importlib
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import doldrum as dd
from doldrum.data import ImageSet
from doldrum.detectors import STRIP, Detector, StagedProfile, W
from doldrum.detectors.deploy import scanning
from doldrum.detectors.deploy.kept import holds_batches, kept_batches
from doldrum.detectors.deploy.scanning import scan_to
from doldrum.errors import InputError, WorkerError

_WEIGHTS = np.random.default_rng(5).normal(size=(64, 4))


def answer(x: np.ndarray) -> np.ndarray:
    """Scores; in a worker, dies at a white corner as long as the folder named has a file to take."""
    folder = os.environ.get("DOLDRUM_TEST_DEATHS")
    if folder and os.environ.get("DOLDRUM_WORKERS") and (x[:, 0, 0, :4] == 1).all(axis=1).any():
        for mark in Path(folder).iterdir():
            mark.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
    return np.round((x.reshape(len(x), 64).astype(float) - 0.5) @ _WEIGHTS, 3)


CLF = dd.as_classifier(answer, input_shape=(1, 8, 8), num_classes=4)
POOL = ImageSet(np.random.default_rng(1).integers(0, 255, (330, 1, 8, 8), dtype=np.uint8))
FIT, CLEAN, NEW = POOL.take(range(60)), POOL.take(range(60, 200)), POOL.take(range(200, 330))


def made(detector: Detector, **spread) -> Detector:
    detector.batch_size = 25
    return detector.fit(CLF, FIT, **spread).calibrate(CLEAN, fpr=0.05, **spread)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_whatever_the_number_of_workers_all_is_bit_for_bit_the_same(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(scanning, "_SHARD", 60)
    heard: list[int] = []
    one, other = made(StagedProfile(seed=1)), made(StagedProfile(seed=1), workers=2)
    for name in ("scores", "ties"):
        assert np.array_equal(getattr(one.calibration, name), getattr(other.calibration, name))
    other.on_batch = heard.append
    assert scan_to(one, NEW, tmp_path / "one", progress=False) == scan_to(
        other, NEW, tmp_path / "other", progress=False, workers=2
    )
    assert files(tmp_path / "one") == files(tmp_path / "other")
    assert heard == [25, 25, 10, 25, 25, 10, 10]  # no batch is of two shards


def test_python_scans_by_workers_too() -> None:
    """With readouts, which a profile has not."""
    detector = made(STRIP(draws=5, seed=1))
    one, two = detector.scan(NEW), detector.scan(NEW, workers=2)
    assert np.array_equal(one.scores, two.scores)
    assert np.array_equal(one.p_values, two.p_values)
    assert (one.ids, one.forwards.tolist()) == (two.ids, two.forwards.tolist())
    for call in (detector.scan, detector.calibrate):
        with pytest.raises(InputError, match="at least 1 as workers, got 0"):
            call(NEW, workers=0)


@pytest.mark.parametrize("make", [StagedProfile, lambda seed: STRIP(draws=20, seed=seed)], ids=["staged", "strip"])
def test_a_calibration_that_is_cut_off_goes_on_with_its_own_seed(make, tmp_path) -> None:
    folder, measured = tmp_path / "guard.resume", list[int]()

    def calibrated(detector: Detector, most: int, images: ImageSet = CLEAN) -> Detector:
        def counted(work, blocks):
            for found in map(work, blocks):
                if len(measured) == most:
                    raise KeyboardInterrupt
                measured.append(len(found.labels))
                yield found

        detector.batch_size = 25
        with kept_batches(detector, folder, CLF, [FIT, images], each=counted):
            return detector.fit(CLF, FIT).calibrate(images, fpr=0.05)

    fit = [25, 25, 10] if make is StagedProfile else []  # STRIP measures nothing in fit, and reads scores in calibrate
    for most in (2, 5):
        with pytest.raises(KeyboardInterrupt):
            calibrated(make(seed=None), most)
        assert holds_batches(folder)
        assert folder.stat().st_mode & 0o777 == 0o700
    done = calibrated(make(seed=None), 99)
    assert measured == [*fit, 25, 25, 25, 25, 25, 15]
    assert (done.seed, folder.exists()) == (None, False)
    whole = make(seed=done.seed_)
    whole.batch_size = 25
    whole.fit(CLF, FIT).calibrate(CLEAN, fpr=0.05)
    assert np.array_equal(done.calibration.scores, whole.calibration.scores)
    assert np.array_equal(done.scan(NEW).p_values, whole.scan(NEW).p_values)
    # of other images, nothing is taken
    measured.clear()
    with pytest.raises(KeyboardInterrupt):
        calibrated(make(seed=None), 2)
    calibrated(make(seed=None), 99, CLEAN.take(range(100)))
    assert sum(measured[2:]) == sum(fit) + 100


@pytest.fixture
def deadly(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DOLDRUM_TEST_DEATHS", str(tmp_path / "deaths"))
    (tmp_path / "deaths").mkdir()
    return tmp_path / "deaths"


def with_a_white_corner(row: int) -> ImageSet:
    images = NEW.images.copy()
    images[row, 0, 0, :4] = 255
    return ImageSet(images, ids=NEW.ids)


def test_a_killed_worker_is_replaced_and_nothing_is_lost_or_twice(deadly, tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setattr(scanning, "_SHARD", 60)
    detector, images = made(W(strength=0.2, draws=3, seed=1)), with_a_white_corner(70)
    scan_to(detector, images, tmp_path / "one", progress=False)
    for n in range(2):
        (deadly / str(n)).touch()
    scan_to(detector, images, tmp_path / "two", progress=False, workers=2)
    assert not list(deadly.iterdir())
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert sum("a new worker replaces it" in line for line in caplog.messages) == 2


def test_where_workers_die_again_and_again_what_is_finished_stays(deadly, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(scanning, "_SHARD", 60)
    detector, images = made(W(strength=0.2, draws=3, seed=1)), with_a_white_corner(70)
    scan_to(detector, images, tmp_path / "one", progress=False)
    for n in range(9):
        (deadly / str(n)).touch()
    with monkeypatch.context() as patch:
        patch.setattr(importlib.import_module("doldrum.spread.spread"), "_TRIES", 1)
        with pytest.raises(WorkerError, match="run the same command again to continue"):
            scan_to(detector, images, tmp_path / "two", progress=False, workers=2)
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["manifest.json", "part-00000.parquet"]
    for mark in deadly.iterdir():
        mark.unlink()
    scanned: list[int] = []
    detector.on_batch = scanned.append
    scan_to(detector, images, tmp_path / "two", progress=False)  # by another number: one
    assert sum(scanned) == 70
    assert files(tmp_path / "one") == files(tmp_path / "two")
