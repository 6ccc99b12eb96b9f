"""What a verdict costs, counted at the model: one batch an image, and nothing asked twice."""

from __future__ import annotations

import numpy as np
import pytest

import doldrum as dd
from doldrum.detectors import (
    DETECTORS,
    RPP,
    STRIP,
    Guard,
    MaxSoftmax,
    ScaleUp,
    SmoothnessProfile,
    TeCo,
    W,
    load_detector,
    save_detector,
)

SHAPE = (1, 8, 8)


class Asked:
    """A model that notes the batches it was shown."""

    def __init__(self, outputs: str = "labels") -> None:
        self.batches: list[int] = []
        self.outputs = outputs

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.batches.append(len(x))
        # Of whole numbers: no row's place changes how they are rounded.
        scores = np.stack([(x[:, :, r : r + 2] > 0.5).sum(axis=(1, 2, 3)) + r / 10 for r in range(0, 8, 2)], axis=1)
        return scores.argmax(axis=1) if self.outputs == "labels" else scores

    @property
    def classifier(self) -> dd.Classifier:
        return dd.as_classifier(self, input_shape=SHAPE, num_classes=4, outputs=self.outputs)

    @property
    def taken(self) -> int:
        """Images shown since the last look."""
        shown, self.batches = sum(self.batches), []
        return shown


@pytest.fixture(scope="module")
def pool():
    return np.random.default_rng(1).random((1700, *SHAPE), dtype=np.float32)


@pytest.fixture(scope="module")
def profile(pool):
    model = Asked()
    return model, SmoothnessProfile(seed=0).fit(model.classifier, pool[:150]).calibrate(pool[150:300], fpr=0.05)


def test_fit_costs_one_check_and_calibrate_none(pool):
    model = Asked()
    det = SmoothnessProfile(seed=0).fit(model.classifier, pool[:150])
    assert model.taken <= 150 * 66
    det.calibrate(pool[150:300], fpr=0.05)
    assert model.batches == [64] * 150


def test_a_guard_answers_an_image_by_one_batch(profile, pool):
    model, det = profile
    guard, alone = Guard(model, det, outputs="labels"), det.scan(pool[300:310])
    for i, image in enumerate(pool[300:310]):
        model.batches.clear()
        answer = guard(image[None])
        assert model.batches == [64]
        assert answer.result.p_values[0] == alone.p_values[i]
        assert answer.result.labels[0] == alone.labels[i]
    guard(pool[300:308])
    assert model.batches == [64] * 9


def test_a_scan_costs_what_its_images_cost(profile, pool):
    model, det = profile
    model.batches.clear()
    for count in (1, 10, 50):
        det.scan(pool[300 : 300 + count])
        assert model.taken == 64 * count
    det.scan(pool[400:])
    assert model.taken / 1300 <= 66


@pytest.mark.parametrize(
    ("make", "most"),
    [
        (lambda: TeCo(seed=0), 72), (lambda: STRIP(draws=63, seed=0), 64), (lambda: RPP(draws=20, strength=0.3, seed=0), 63),
        (lambda: W(draws=20, strength=0.3, seed=0), 63), (lambda: ScaleUp(seed=0), 60), (lambda: MaxSoftmax(seed=0), 64),
    ],
    ids=["teco", "strip", "rpp", "w", "scale-up", "max-softmax"],
)  # fmt: skip
def test_other_detectors_ask_once_too(make, most, pool):
    """Of an image alone a batch that others could share is filled up; of many none is left over."""
    model = Asked("logits")
    det = make().fit(model.classifier, pool[:100]).calibrate(pool[100:140], fpr=0.05)
    model.batches.clear()
    Guard(model, det)(pool[200:201])
    assert model.taken <= most
    det.scan(pool[200:320])
    assert model.taken <= 120 * det.forwards * 1.02 + 64


def test_a_loaded_detector_trusts_what_was_checked_unless_the_machine_is_another(profile, pool, tmp_path, monkeypatch):
    model, det = profile
    path = save_detector(det, tmp_path / "guard.doldrum")
    assert load_detector(path).checked == det.checked
    before = det.scan(pool[300:303])
    model.batches.clear()
    again = load_detector(path, model.classifier)
    assert (again.scan(pool[300:303]).scores == before.scores).all()
    assert model.taken == 3 * 64
    monkeypatch.setattr("doldrum.measuring.checked.versions_and_machine", lambda: {"machine": "another"})
    elsewhere = load_detector(path, model.classifier)
    assert (elsewhere.scan(pool[300:303]).scores == before.scores).all()
    assert model.taken > 4 * 64  # checked once more
    elsewhere.scan(pool[300:303])
    assert model.taken == 3 * 64


def test_another_engine_is_checked_before_it_is_used(net, clf, pool):
    det = W(draws=5, strength=0.3, seed=0).fit(clf, pool[:50])
    kept = det.checked
    assert kept is not None
    assert det.engine == kept.name
    # Timing decided, and a busy machine says either.
    det.engine = another = "onnxruntime-fp32" if kept.name == "eager" else "eager"
    det.calibrate(pool[50:150], fpr=0.05)
    assert det.checked is not kept
    assert det.checked is not None
    assert det.checked.name == det.engine == another


def test_every_detector_measures_all_its_probes_at_once(monkeypatch, pool):
    """The loop over families is gone: a scan makes one measurement, whatever the detector."""
    from detector_specimens import normed_classifier

    made = []
    real = dd.measuring.Measurement.__init__
    for name, kind in DETECTORS.items():
        settings = {"strength": 0.3, "draws": 5} if name in ("w", "rpp") else {}
        det = kind(seed=1, **settings).fit(normed_classifier(), pool[:110])
        with monkeypatch.context() as patch:
            patch.setattr(
                dd.measuring.Measurement, "__init__", lambda self, *a, **k: made.append(0) or real(self, *a, **k)
            )
            det.score_samples(pool[110:115])
        assert len(made) == 1, name
        made.clear()
