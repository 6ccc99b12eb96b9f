"""--budget holds: scanning ends with it, what was not reached is listed, and the verdict says so. Time is told by a clock of ours."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from audit_material import settings
from PIL import Image

from doldrum.audit import run_audit
from doldrum.confined.scanning import budget, scan
from doldrum.detectors import SmoothnessProfile
from doldrum.errors import InputError

BUDGET = 5.0
WHY = "not reached: the time given by --budget ran out"


def batch(inputs):
    """Images a batch: two seconds at the speed that the fixture tells, at most 256."""
    step, _ = budget.fitting_step(1e-4, BUDGET, inputs=inputs, input_shape=(1, 8, 8))
    return min(256, int(2.0 / (1e-4 * budget.forwards_of((1, 8, 8), step))))


@pytest.fixture(autouse=True)
def _near(near):
    pass


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still but for what a test adds to it."""
    time = {"now": 100.0}
    monkeypatch.setattr(budget, "clock", lambda: time["now"])
    return time


def slow(monkeypatch, clock, seconds):
    """Writing a batch of rows takes so long."""
    write = scan.write_rows

    def late(*args):
        write(*args)
        clock["now"] += seconds

    monkeypatch.setattr(scan, "write_rows", late)


def test_scanning_ends_with_the_budget(material, tmp_path, monkeypatch, clock):
    images = material.images[300:1000]
    asked = settings(material, tmp_path, material.images[:300], images, fpr=0.05, budget=BUDGET)
    whole = run_audit(asked)
    assert not any("reached" in s for s in [whole.verdict["heading"], *whole.verdict["sentences"]])
    rows = pd.read_parquet(tmp_path / "out" / "rows.parquet")

    slow(monkeypatch, clock, 3.0)  # over after the second batch
    said = []
    asked = settings(material, tmp_path / "cut", material.images[:300], images, fpr=0.05, budget=BUDGET)
    record = run_audit(asked, say=said.append)
    reached = 2 * batch(1000)
    assert record.images["scanned"] == reached < 700
    assert record.images["skipped"] == [{"id": f"{i:06d}", "why": WHY} for i in range(reached, 700)]
    told = " ".join(record.verdict["sentences"])
    assert (
        f"{700 - reached} of 700 images were not scanned, because the time given by --budget ran out. The report"
        in told
    )
    assert f"of {reached} images were flagged" in told
    assert f"among the {reached} images scanned in time" in record.verdict["heading"]
    assert any(f"{700 - reached} images were not scanned" in text for text in said)
    cut = pd.read_parquet(tmp_path / "cut" / "out" / "rows.parquet")
    same = ["id", "label", "score", "p_value", "flag", "kept"]
    pd.testing.assert_frame_equal(cut[same], rows[same].iloc[:reached])
    assert record.flags["count"] == cut["flag"].sum()
    assert record.flags["expected"] == pytest.approx(whole.flags["expected"] * reached / 700, abs=1e-4)


def test_one_batch_is_scanned_however_late_it_is(material, tmp_path, monkeypatch, clock):
    slow(monkeypatch, clock, 1e6)
    record = run_audit(
        settings(material, tmp_path, material.images[:200], material.images[200:800], fpr=0.05, budget=BUDGET)
    )
    assert record.images["scanned"] == batch(800)


def test_a_ranking_ends_with_the_budget_too(material, tmp_path, monkeypatch, clock):
    slow(monkeypatch, clock, 6.0)  # over when the reference is written: one more batch
    record = run_audit(settings(material, tmp_path, None, material.images[:1400], budget=BUDGET))
    rows = pd.read_parquet(tmp_path / "out" / "rows.parquet")
    assert len(rows) == record.images["scanned"] == 1000 + batch(1400)
    late = [s["id"] for s in record.images["skipped"]]
    assert sorted([*rows["id"], *late]) == [f"{i:06d}" for i in range(1400)]
    assert any(
        f"{len(late)} of 1,400 images were not scanned, because the time given by --budget ran out" in s
        for s in record.verdict["sentences"]
    )
    shown = rows[rows["picture"].notna()]
    assert len(shown) == 200
    for name, picture in zip(shown["id"], shown["picture"], strict=True):
        pixels = np.asarray(Image.open(tmp_path / "out" / "pictures" / picture))
        assert (pixels == material.images[int(name), 0]).all()


def test_a_budget_that_ends_before_the_scan_is_refused(material, tmp_path, monkeypatch, clock):
    learn = SmoothnessProfile.learn

    def late(self, evidence):
        learn(self, evidence)
        clock["now"] += 2 * BUDGET

    monkeypatch.setattr(SmoothnessProfile, "learn", late)
    asked = settings(material, tmp_path, material.images[:200], material.images[200:260], fpr=0.05, budget=BUDGET)
    with pytest.raises(
        InputError, match="expected a --budget with enough time to fit and calibrate the detector, got 5s"
    ):
        run_audit(asked)
    assert not (tmp_path / "out").exists()


def test_a_slow_fit_leaves_fewer_images_to_calibrate_and_all_to_scan(material, tmp_path, monkeypatch, clock):
    learn = SmoothnessProfile.learn

    def late(self, evidence):
        learn(self, evidence)
        clock["now"] += 3.0

    monkeypatch.setattr(SmoothnessProfile, "learn", late)
    record = run_audit(
        settings(material, tmp_path, material.images[:300], material.images[300:800], fpr=0.05, budget=BUDGET)
    )
    left = int(150 / 650 * 2.0 / (3.0 / 150))  # 2 seconds are left for 150 + 500 images, at 3 seconds for 150
    assert 19 <= left < 150
    assert (record.clean["fit"], record.clean["calibration"], record.promise["num_calibration"]) == (150, left, left)
    assert record.images["scanned"] == 500
    assert f"Of 300 clean images {150 + left}, drawn at random, were used." in record.verdict["sentences"]


def test_what_was_spent_before_the_plan_is_not_planned_for(material, tmp_path, monkeypatch, clock):
    spent = lambda classifier, images: clock.update(now=clock["now"] + 4.9) or 1e-4  # noqa: E731
    monkeypatch.setattr(budget, "seconds_per_forward", spent)
    asked = settings(material, tmp_path, material.images[:200], material.images[200:400], fpr=0.05, budget=BUDGET)
    least = 1e-4 * 400 * budget.forwards_of((1, 8, 8), budget.LADDER[0]) / 0.85 + 4.9
    with pytest.raises(InputError, match=f"expected a --budget of at least {least:.0f}s"):
        run_audit(asked)


def test_facts_of_another_kind_are_refused(material, tmp_path, monkeypatch, answered):
    from doldrum.confined import sending as confined
    from doldrum.errors import SandboxError

    def spoiled(*args, **kwargs):
        facts = answered.again(*args, **kwargs)
        return json.loads(json.dumps(facts | {"images": facts["images"] | {"unreached": -1}}))

    monkeypatch.setattr(confined, "run_confined", spoiled)
    with pytest.raises(SandboxError, match="from the confined process"):
        run_audit(settings(material, tmp_path, material.images[:200], material.images[200:260], budget=BUDGET))
