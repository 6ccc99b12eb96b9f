"""What every detector inherits: order and batches don't matter, few inputs are refused, streams are joined."""

from __future__ import annotations

import numpy as np
import pytest

import doldrum as dd
from doldrum.data import ImageSet
from doldrum.detectors import (
    IBDPSC,
    PSBD,
    STRIP,
    Calibration,
    Detector,
    Frequency,
    MaxSoftmax,
    SmoothnessProfile,
    StagedProfile,
    W,
)
from doldrum.detectors.contract import detector as base
from doldrum.errors import ClassifierError, InputError
from doldrum.probes import Gaussian


class Spread(Detector):
    """Distinct labels under noise, relative to their mean on the fit set: learns, and uses two probes."""

    name = "spread"
    learned = ("mean_",)

    def probes(self):
        return {n: Gaussian([0.1 * (i + 1)], draws=7, seed=self.probe_seed(n)) for i, n in enumerate("ab")}

    def count(self, evidence):
        return sum((r.counts > 0).sum(axis=2)[:, 0] for r in evidence.responses.values())

    def learn(self, evidence):
        self.mean_ = float(self.count(evidence).mean())

    def score(self, evidence):
        return self.mean_ - self.count(evidence)


def specimens():
    return [
        MaxSoftmax(seed=1),
        W(seed=1, draws=10, strength=0.2),
        Spread(seed=1),
        SmoothnessProfile(seed=1),
        StagedProfile(seed=1),
    ]


@pytest.fixture(scope="module")
def pool():
    return np.random.default_rng(1).random((400, 1, 8, 8), dtype=np.float32)


@pytest.mark.parametrize("det", specimens(), ids=lambda d: d.name)
def test_scan_is_the_same_in_any_order_batch_and_company(det, clf, pool, monkeypatch):
    det.fit(clf, pool[:100]).calibrate(pool[100:300], fpr=0.05)
    new = pool[280:400]
    first = det.scan(new)
    order = np.random.default_rng(0).permutation(len(new))
    monkeypatch.setattr(base, "_BATCH", 7)
    again = det.scan(new[order])
    alone = det.scan(new[5:6])
    assert (again.scores == first.scores[order]).all()
    assert (again.p_values == first.p_values[order]).all()
    assert alone.p_values[0] == first.p_values[5]
    assert np.isclose(first.p_values.min(), 1 / 201) or first.p_values.min() > 1 / 201
    frame = first.to_frame()
    assert list(frame.columns) == ["id", "label", "score", "p_value", "flag"]
    assert frame["flag"].sum() == first.num_flagged == (first.p_values <= 0.05).sum()


def test_max_softmax_is_the_softmax(clf, pool):
    logits = clf(pool[:50]).astype(float)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert MaxSoftmax().fit(clf, pool[:5]).score_samples(pool[:50]) == pytest.approx(p.max(axis=1))


def drowned(x):
    """The brightest quarter of the rows, until noise drowns everything: W rises, peaks and falls."""
    rows = x.mean(axis=(1, 3)).reshape(len(x), 4, 2).mean(axis=2)
    return np.where(x.std(axis=(1, 2, 3)) > 0.8, 0, rows.argmax(axis=1))


def test_w_is_minus_the_entropy_at_sigma_half(clf, pool):
    black_box = dd.as_classifier(drowned, input_shape=(1, 8, 8), num_classes=4, outputs="labels")
    det = W(seed=3, draws=50).fit(black_box, pool[:200])
    assert det.strength_ is not None
    at = dd.smoothness(
        dd.measure(black_box, pool[200:], Gaussian([det.strength_], draws=50, seed=det.probe_seed("noise")))
    )
    assert det.score_samples(pool[200:]) == pytest.approx(-at.value[:, 0])
    wide = dd.measure(black_box, pool[200:], Gaussian([*np.linspace(0.02, 1.5, 40)], draws=50))
    assert at.value.mean() == pytest.approx(dd.smoothness(wide).value.mean(axis=0).max() / 2, rel=0.15)
    stubborn = dd.as_classifier(
        lambda x: x.mean(axis=(1, 3)) + 9 * (np.arange(8) == 0), input_shape=(1, 8, 8), num_classes=8
    )
    with pytest.raises(
        InputError, match=r"choose the noise strength of .* yourself"
    ):  # its W still rises where the grid ends
        W(seed=3).fit(stubborn, pool[:20])


def test_seed_is_secret_unless_given(clf, pool):
    a, b, c, d = (W(strength=0.2, draws=2, seed=s).fit(clf, pool[:2]).seed_ for s in (None, None, 5, 5))
    assert a != b
    assert c == d == 5


def test_too_few_inputs_are_refused_before_any_work(pool):
    calls = []

    def model(x):
        calls.append(len(x))
        return x.reshape(len(x), -1)[:, :4]

    det = W(strength=0.1).fit(dd.as_classifier(model, input_shape=(1, 8, 8), num_classes=4), pool[:5])
    calls.clear()
    with pytest.raises(InputError, match="at least 999 calibration inputs"):
        det.calibrate(pool, fpr=0.001)
    assert not calls


def test_each_class_needs_enough_inputs(clf, pool):
    det = MaxSoftmax(seed=0).fit(clf, pool[:2])
    labels = clf(pool[100:400]).argmax(axis=1)
    rarest = np.unique(labels, return_counts=True)[1].min()
    fpr = 1 / (rarest + 1)
    det.calibrate(pool[100:400], fpr=fpr, per_class=True)
    result = det.scan(pool[:100])
    for k in range(4):
        mine, its = result.labels == k, labels == k
        cal = det.score_samples(pool[100:400])[its]
        expected = [(1 + (cal >= s).sum()) / (its.sum() + 1) for s in result.scores[mine]]
        assert result.p_values[mine].tolist() == expected
    with pytest.raises(InputError, match="calibration inputs of predicted class"):
        det.calibrate(pool[100:400], fpr=fpr * 0.9, per_class=True)


def test_misuse_is_named(clf, pool):
    with pytest.raises(InputError, match=r"fitted detector.*call fit"):
        W().scan(pool)
    with pytest.raises(InputError, match=r"calibrated detector.*call calibrate"):
        W(strength=0.1, draws=2).fit(clf, pool[:2]).scan(pool[:2])
    with pytest.raises(InputError, match="that were not used in fit, got 50%"):
        Spread().fit(clf, pool[:100]).calibrate(pool[50:150], fpr=0.1)
    labels_only = dd.as_classifier(
        lambda x: np.zeros(len(x), int), input_shape=(1, 8, 8), num_classes=4, outputs="labels"
    )
    with pytest.raises(
        ClassifierError, match="expected a model with scores for the detector max-softmax, got labels only"
    ):
        MaxSoftmax().fit(labels_only, pool)
    with pytest.raises(InputError, match="seed"):
        W(seed="secret")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("det", specimens(), ids=lambda d: d.name)
def test_images_of_another_shape_are_refused_by_every_step(det, clf, pool):
    other = np.zeros((200, 8, 8, 1), np.float32)
    det.fit(clf, pool[:100]).calibrate(pool[100:300], fpr=0.05)
    for step in (det.scan, det.score_samples, det.calibrate, lambda x: det.fit(clf, x)):
        with pytest.raises(InputError, match=r"images of shape \(1, 8, 8\).*transpose\(0, 3, 1, 2\)"):
            step(other)
    with pytest.raises(InputError, match=r"got images of shape \(1, 9, 9\); resize"):
        det.scan(np.zeros((2, 1, 9, 9), np.float32))
    assert len(det.scan(pool[300:])) == 100  # a refused `fit` left it as it was


def test_a_fit_that_failed_leaves_no_detector_behind(clf, pool):
    det = Frequency(seed=0).fit(clf, pool[:60]).calibrate(pool[60:260], fpr=0.05)
    with pytest.raises(InputError, match="at least 20 clean images"):
        det.fit(clf, pool[:5])
    for step in (lambda: det.calibrate(pool[60:260]), lambda: det.scan(pool), lambda: det.score_samples(pool)):
        with pytest.raises(InputError, match=r"call (fit|calibrate)"):
            step()


def test_numbers_of_another_type_are_refused(clf, pool):
    det = MaxSoftmax(seed=0).fit(clf, pool[:2])
    for wrong in ("0.05", None, True, float("nan")):
        with pytest.raises(InputError, match="false-positive rate"):
            det.calibrate(pool[2:200], fpr=wrong)
        with pytest.raises(InputError, match="false-discovery rate"):
            det.calibrate(pool[2:200], fpr=0.05).scan(pool[:5]).flagged(fdr=wrong)
    for make in (
        lambda: MaxSoftmax(seed=-1), lambda: STRIP(draws="x"), lambda: Frequency(ridge="x"), lambda: IBDPSC(models=None),
        lambda: IBDPSC(xi="x"), lambda: IBDPSC(omega="x"), lambda: PSBD(where=3),
    ):  # fmt: skip
        with pytest.raises(InputError, match="expected"):
            make()


class Plain(Detector):
    name = "plain"

    def probes(self):
        return {}

    def score(self, evidence):
        return evidence.images.mean(axis=(1, 2, 3))


MISTAKES = {
    "no name": ({"name": ""}, "expected a detector with a name"),
    "unknown needs": ({"needs": "gradients"}, "expected needs of the class .* to be one of labels, scores, weights"),
    "no super": ({"__init__": lambda self: None}, r"call super\(\).__init__"),
    "setting under another name": (
        {"__init__": lambda self, share=0.3: Detector.__init__(self)}, "got no attribute for share; write self.share = share",
    ),
    "nothing learned": ({"learned": ("mean_",)}, "got no value for mean_; set these attributes in prepare or learn"),
    "a list of probes": ({"probes": lambda self: [Gaussian([0.1])]}, "a dict of names and probes, got list"),
    "one score": ({"score": lambda self, evidence: 1.0}, r"200 numbers as scores, got an array of shape \(\)"),
    "words": ({"score": lambda self, evidence: ["a"] * len(evidence)}, "numbers as scores, got an array of shape"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_in_a_detector_of_ones_own_are_named(case, clf, pool):
    changes, message = MISTAKES[case]
    assert len(Plain().fit(clf, pool[:50]).calibrate(pool[50:250], fpr=0.05).scan(pool[250:])) == 150
    with pytest.raises(InputError, match=message):
        type("Mine", (Plain,), changes)().fit(clf, pool[:50]).calibrate(pool[50:250], fpr=0.05)


def test_an_input_without_an_answer_is_the_most_suspicious(pool):
    def model(x):
        out = x.reshape(len(x), -1)[:, :4].copy()
        out[x.mean(axis=(1, 2, 3)) > 0.9] = np.nan
        return out

    clf = dd.as_classifier(model, input_shape=(1, 8, 8), num_classes=4)
    det = MaxSoftmax(seed=0).fit(clf, pool[:2]).calibrate(pool[2:200], fpr=0.05)
    result = det.scan(ImageSet(np.ones((1, 1, 8, 8), np.float32), ids=["bright"]))
    assert result.labels.tolist() == [-1]
    assert result.scores.tolist() == [np.inf]
    assert result.flags.tolist() == [True]


def test_by_class_an_input_without_an_answer_is_held_against_all(pool):
    def model(x):
        out = np.where(x[:, :, :1, :4] > 0.5, 1.0, 0.0).reshape(len(x), -1)
        out[x.mean(axis=(1, 2, 3)) > 0.9] = np.nan
        return out

    clf = dd.as_classifier(model, input_shape=(1, 8, 8), num_classes=4)
    labels = model(pool).argmax(axis=1)
    seen = pool[labels != 3]
    det = MaxSoftmax(seed=0).fit(clf, seen[:2]).calibrate(seen[2:], fpr=0.1, per_class=True)
    bright = det.scan(np.ones((1, 1, 8, 8), np.float32))
    assert bright.p_values.tolist() == [1 / (len(seen) - 1)]
    assert bright.flags.tolist() == [True]
    assert bright.limit == 1
    with pytest.warns(UserWarning, match="got no calibration input predicted as class 3"):
        new = det.scan(pool[labels == 3])
    assert (new.p_values == 1).all()
    assert not new.flags.any()


def test_a_classifier_that_answers_nothing_is_neither_fitted_nor_calibrated(pool):
    def broken(x):
        return np.full((len(x), 4), np.nan)

    def dark_only(x):
        return np.where(x.mean(axis=(1, 2, 3))[:, None] < 0.1, x[:, 0, 0, :4], np.nan)

    clf, half = (dd.as_classifier(f, input_shape=(1, 8, 8), num_classes=4) for f in (broken, dark_only))
    with pytest.raises(ClassifierError, match="expected finite scores"):
        MaxSoftmax(seed=0).fit(clf, pool[:2])
    with pytest.raises(InputError, match="that the classifier can answer"):
        MaxSoftmax(seed=0).fit(half, pool[:2] / 20).calibrate(pool[2:200], fpr=0.05)


def test_more_than_promised(clf, pool):
    det = MaxSoftmax(seed=0).fit(clf, pool[:2]).calibrate(pool[:200], fpr=0.05)
    clean = det.scan(pool[200:])
    assert not clean.more_than_promised
    confident = pool[np.argsort(det.score_samples(pool))[-60:]]
    odd = det.scan(confident)
    assert odd.more_than_promised
    assert len(odd.flagged(fdr=0.2)) > 0
    assert clean.flagged(fdr=0.01).note.startswith("no set is flagged")


@pytest.mark.parametrize(("n", "fpr", "most"), [(999, 0.05, 50), (99, 0.29, 29), (99, 0.07, 7)])
def test_the_largest_p_value_that_is_flagged_is_the_promised_rate(n, fpr, most):
    calibration = Calibration(np.arange(float(n)), np.zeros(n), fpr=fpr, seed=0)
    ranks = np.arange(1, n + 2)
    assert ranks[calibration.flags(ranks / (n + 1))].tolist() == list(range(1, most + 1))
