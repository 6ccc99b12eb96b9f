"""SmoothnessProfile: its likelihoods against plain loops, its threat model, and a planted backdoor."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import doldrum as dd
from doldrum.detectors import Evidence, SmoothnessProfile, load_detector
from doldrum.errors import InputError
from doldrum.probes import Contrast, Gaussian, PixelAblation, Shift
from doldrum.responses import Responses

FAMILIES = {
    "noise": Gaussian([0.3, 0.6], draws=4),
    "ablation": PixelAblation([0.2, 0.5], draws=4),
    "shift": Shift([1, 2], draws=4),
}


def quadrant(x):
    """The brightest quadrant, 0 to 3; class 0 wherever the last pixel is white: a planted patch."""
    parts = np.stack(
        [x[:, 0, a : a + 4, b : b + 4].mean(axis=(1, 2)) for a, b in itertools.product((0, 4), (0, 4))], axis=1
    )
    return np.where(x[:, 0, 7, 7] > 0.97, 0, parts.argmax(axis=1))


@pytest.fixture(scope="module")
def black_box():
    return dd.as_classifier(quadrant, input_shape=(1, 8, 8), num_classes=4, outputs="labels")


@pytest.fixture(scope="module")
def pool():
    return (0.9 * np.random.default_rng(1).random((900, 1, 8, 8))).astype(np.float32)


def evidence(rng, n, conditions=2, draws=4, classes=3, names="ab"):
    """Random draws of some families, some of them invalid."""
    labels = rng.integers(classes, size=n).astype(np.int16)
    found = {}
    for name in names:
        d = np.where(
            rng.random((n, conditions, draws)) < 0.6,
            labels[:, None, None],
            rng.integers(-1, classes, (n, conditions, draws)),
        )
        found[name] = Responses(d.astype(np.int16), labels, np.arange(1.0, conditions + 1), classes)
    return Evidence(np.zeros((n, 1, 1, 1), np.float32), labels, classes, found)


def plain_raw(fit, new, i, *, skip=None):
    """Joint ratio, the families' ratios and calms of input i, one factor at a time, as the docstring says."""
    label, m, k = int(new.labels[i]), len(fit), fit.num_classes
    curves = [[0, 0], [0.5, 0], [0.97, 0], [0.97, 0.5], [0.97, 0.97], [0.7, 0.7]]
    null, alternative, calms = {}, {}, []
    for name, responses in fit.responses.items():
        counts, mine = responses.counts, new.responses[name].counts[i]
        overall = (counts.sum(axis=0) + 0.5) / (counts.sum(axis=0) + 0.5).sum(axis=1, keepdims=True)

        def rate(c, label, counts=counts, overall=overall):
            total = counts[fit.labels == label, c].sum(axis=0)
            return (total + 5 * overall[c]) / (total.sum() + 5)

        def prob(j, c, counts=counts, rate=rate):
            return (counts[j, c] + rate(c, fit.labels[j])) / (counts[j, c].sum() + 1)

        for j in range(m):
            if fit.labels[j] == label and j != skip:
                null.setdefault(j, {})[name] = np.prod([prob(j, c) ** mine[c] for c in range(2)])
            elif fit.labels[j] != label:
                terms = [
                    np.prod([(q[c] * np.eye(k)[label] + (1 - q[c]) * prob(j, c)) ** mine[c] for c in range(2)])
                    for q in curves
                ]
                alternative.setdefault(j, {})[name] = np.mean(terms)
        kept = [counts[j, :, fit.labels[j]].sum() / counts[j].sum() for j in range(m) if fit.labels[j] == label]
        calms.append((mine[:, label].sum() / mine.sum() - np.mean(kept)) / (np.std(kept) + 0.05))

    def ratio(f):
        return np.log(np.mean([f(v) for v in alternative.values()])) - np.log(np.mean([f(v) for v in null.values()]))

    return [ratio(lambda v: np.prod(list(v.values()))), *(ratio(lambda v, n=n: v[n]) for n in fit.responses), *calms]


def test_score_is_the_sum_of_its_plain_parts(black_box):
    rng = np.random.default_rng(0)
    fit, new = evidence(rng, 40), evidence(rng, 12)
    det = SmoothnessProfile(families={"a": Gaussian([1, 2], draws=4), "b": Gaussian([1, 2], draws=4)}, seed=0)
    det.seed_ = 0
    det.learn(fit)
    inner = np.array([plain_raw(fit, fit, i, skip=i) for i in range(40)])
    center, high = np.percentile(inner, [50, 90], axis=0)
    assert det.centers_ == pytest.approx(center)
    assert det.scales_ == pytest.approx(high - center + 1e-3)
    z = (np.array([plain_raw(fit, new, i) for i in range(12)]) - center) / (high - center + 1e-3)
    assert det.score(new) == pytest.approx(z[:, 0] + z[:, 1:3].mean(axis=1) + 1.5 * z[:, 3:].mean(axis=1))


def test_likelihoods_with_many_classes_are_those_of_plain_loops():
    """Counts that are mostly 0 are summed over the labels that came back; K = 40 takes that way, K = 3 the other."""
    rng = np.random.default_rng(5)
    fit, new = evidence(rng, 30, classes=40), evidence(rng, 8, classes=40)
    det = SmoothnessProfile(families={"a": Gaussian([1, 2], draws=4), "b": Gaussian([1, 2], draws=4)}, seed=0)
    det.seed_ = 0
    det.learn(fit)
    known = [i for i in range(8) if (fit.labels == new.labels[i]).any()]
    raw = det._raw({k: r.counts.astype(np.float64) for k, r in new.responses.items()}, new.labels)
    assert len(known) > 2
    for i in known:
        assert raw[i, :3] == pytest.approx(plain_raw(fit, new, i)[:3])


def test_calm_under_overlays_is_a_part_by_itself():
    rng = np.random.default_rng(3)
    fit, new = evidence(rng, 40, names=("a", "b", "overlay")), evidence(rng, 12, names=("a", "b", "overlay"))
    families = {"a": Gaussian([1, 2], draws=4), "b": Shift([1, 2], draws=4)}
    det = SmoothnessProfile(families=families, overlays=4, seed=0)
    det.seed_, det.fitted_for, det.overlays_ = 0, ("f", (1, 1, 1), 3), np.zeros((4, 1, 1, 1), np.float32)
    det.learn(fit)
    keep = [0, 1, 2, 3, 4, 6]  # the joint ratio, three families, calm under noise and under overlays; not under shifts
    inner = np.array([plain_raw(fit, fit, i, skip=i) for i in range(40)])[:, keep]
    center, high = np.percentile(inner, [50, 90], axis=0)
    z = (np.array([plain_raw(fit, new, i) for i in range(12)])[:, keep] - center) / (high - center + 1e-3)
    assert det.score(new) == pytest.approx(z[:, 0] + z[:, 1:4].mean(axis=1) + 0.5 * z[:, 4] + 1.5 * z[:, 5])


def test_it_finds_a_planted_patch_by_labels_alone(black_box, pool, tmp_path):
    det = SmoothnessProfile(families=FAMILIES, seed=1).fit(black_box, pool[:300]).calibrate(pool[300:700], fpr=0.05)
    assert det.forwards == 25
    triggered = pool[700:].copy()
    triggered[:, 0, 7, 7] = 1
    triggered = triggered[quadrant(pool[700:]) != 0]
    clean, hit = det.scan(pool[700:]), det.scan(triggered)
    assert not clean.more_than_promised
    assert hit.more_than_promised
    assert hit.flags.mean() > 0.9
    again = load_detector(det.save(tmp_path / "guard"), black_box)
    assert (again.scan(triggered).scores == hit.scores).all()
    assert (det.scan(triggered[5:6]).scores == hit.scores[5:6]).all()
    assert (det.scan(triggered[::-1]).scores == hit.scores[::-1]).all()


def test_a_label_that_fit_never_saw_gets_a_score(black_box, pool):
    some = pool[quadrant(pool) != 0][:200]
    det = SmoothnessProfile(families={"noise": FAMILIES["noise"]}, seed=1).fit(black_box, some)
    triggered = some.copy()
    triggered[:, 0, 7, 7] = 1
    assert np.isfinite(det.score_samples(triggered)).all()
    one = pool[quadrant(pool) == 1][:60]
    assert np.isfinite(SmoothnessProfile(families=FAMILIES, seed=1).fit(black_box, one).score_samples(pool[:50])).all()


def test_default_asks_for_no_more_than_64_forwards(black_box, pool):
    det = SmoothnessProfile(seed=0)
    with pytest.raises(InputError, match="fitted detector"):
        det.forwards  # noqa: B018
    det.fit(black_box, pool[:60])
    assert det.forwards == 64


def test_overlays_are_images_of_fit_and_are_kept(black_box, pool, tmp_path):
    det = SmoothnessProfile(families={"noise": FAMILIES["noise"]}, overlays=7, seed=1).fit(black_box, pool[:100])
    assert det.overlays_.shape == (7, 1, 8, 8)
    assert all((pool[:100] == one).all(axis=(1, 2, 3)).any() for one in det.overlays_)
    assert det.forwards == 1 + 8 + 7
    det.calibrate(pool[100:300], fpr=0.05)
    again = load_detector(det.save(tmp_path / "guard"), black_box)
    assert again.overlays == 7
    assert (again.scan(pool[300:340]).scores == det.scan(pool[300:340]).scores).all()
    for odd in (det.overlays_[:6], det.overlays_[:, :, :4], np.full((7, 1, 8, 8), np.nan)):
        wrong = load_detector(tmp_path / "guard", black_box)
        wrong.overlays_ = odd
        with pytest.raises(InputError, match="overlays"):
            load_detector(wrong.save(tmp_path / "wrong"))


def test_settings_are_checked(black_box, pool):
    with pytest.raises(InputError, match="at least one probe"):
        SmoothnessProfile(families={})
    with pytest.raises(InputError, match="at least one probe"):
        SmoothnessProfile(families={"a": 0.1})  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="families by name"):
        SmoothnessProfile(families=[Gaussian([0.1])])  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="at least 50 clean inputs for fit, got 20"):
        SmoothnessProfile().fit(black_box, pool[:20])
    with pytest.raises(InputError, match="at least 60 clean inputs for fit, one an overlay, got 55"):
        SmoothnessProfile(overlays=60).fit(black_box, pool[:55])
    with pytest.raises(InputError, match="another name"):
        SmoothnessProfile(families={"overlay": Gaussian([0.1])})
    for odd in (-1, 1.5, True, "3"):
        with pytest.raises(InputError, match="whole number of overlays"):
            SmoothnessProfile(overlays=odd)  # pyright: ignore[reportArgumentType]


def test_a_changed_file_is_refused(black_box, pool):
    det = SmoothnessProfile(families={"c": Contrast([0.5], draws=2)}, seed=1).fit(black_box, pool[:60])
    det.check_learned((1, 8, 8), 4)
    for name, value in [
        ("labels_", det.labels_ + 4),
        ("labels_", det.labels_[:-1]),
        ("counts_", {"c": det.counts_["c"][:, :, :3]}),
        ("counts_", {"c": det.counts_["c"] * 1.0}),
        ("counts_", 3),
        ("scales_", det.scales_ * 0),
        ("centers_", np.full(3, np.nan)),
    ]:
        kept = getattr(det, name)
        setattr(det, name, value)
        with pytest.raises(InputError, match="fit again"):
            det.check_learned((1, 8, 8), 4)
        setattr(det, name, kept)
