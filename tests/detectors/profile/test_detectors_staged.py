"""StagedProfile: its score by hand, stage by stage; what it costs, counted at the model; a planted backdoor; its promise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import doldrum as dd
from doldrum.detectors import Guard, SmoothnessProfile, StagedProfile, load_detector, save_detector
from doldrum.detectors.contract.measuring import joined
from doldrum.detectors.contract.stages import in_stages
from doldrum.errors import InputError
from doldrum.probes import Gaussian, PixelAblation, Scale, Shift

FAMILIES = {
    "noise": Gaussian([0.3, 0.6], draws=4),
    "ablation": PixelAblation([0.2, 0.5], draws=4),
    "shift": Shift([1, 2], draws=4),
}
STAGES = [3, 11, 13, 25]  # forwards: the unperturbed image leads the batch of each stage


class Asked:
    """The brightest quadrant, 0 to 3; class 0 wherever the last pixel is white, a planted patch. Notes the batches it was shown."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.batches.append(len(x))
        return quadrant(x)


def quadrant(x: np.ndarray) -> np.ndarray:
    parts = np.stack(
        [x[:, 0, a : a + 4, b : b + 4].mean(axis=(1, 2)) for a, b in itertools.product((0, 4), (0, 4))], axis=1
    )
    return np.where(x[:, 0, 7, 7] > 0.97, 0, parts.argmax(axis=1))


def drawn(seed: int, count: int) -> np.ndarray:
    """One quadrant brighter than the others, and none of a patch."""
    rng = np.random.default_rng(seed)
    made = (0.6 * rng.random((count, 1, 8, 8))).astype(np.float32)
    for image, (a, b) in zip(made, 4 * rng.integers(2, size=(count, 2)), strict=True):
        image[0, a : a + 4, b : b + 4] += 0.25
    return made


@pytest.fixture(scope="module")
def model():
    return Asked()


@pytest.fixture(scope="module")
def classifier(model):
    return dd.as_classifier(model, input_shape=(1, 8, 8), num_classes=4, outputs="labels")


@pytest.fixture(scope="module")
def pool():
    return drawn(1, 900)


@pytest.fixture(scope="module")
def triggered(pool):
    found = pool[700:].copy()
    found[:, 0, 7, 7] = 1
    return found[quadrant(pool[700:]) != 0]


@pytest.fixture(scope="module")
def det(classifier, pool):
    detector = StagedProfile(families=FAMILIES, go_on=(0.3, 0.2, 0.1), seed=1)
    return detector.fit(classifier, pool[:300]).calibrate(pool[300:700], fpr=0.05)


def by_hand(reference: np.ndarray, value: float) -> float:
    """-log of the share of the reference as high, its tail above the 90th percentile taken as exponential."""
    start = np.quantile(reference, 0.9)
    if value > start:
        above = [r - start for r in reference if r > start]
        excess = (sum(above) + 10 * (start - np.median(reference)) / np.log(5)) / (len(above) + 10)
        return np.log(10) + (value - start) / max(excess, 0.05)
    return -np.log(max((1 + sum(r >= value for r in reference)) / (len(reference) + 1), 0.1))


def test_the_score_is_that_of_a_profile_at_each_stage(det, classifier, pool, triggered):
    """Profiles fitted by themselves on the first 1, 2, 4 and 8 draws, the first of noise alone; inputs go through them by hand."""
    fit, new = det.taken(pool[:300]), det.taken(np.concatenate([pool[700:760], triggered[:20]]))
    all_fit, all_new = joined(det.measure(fit), fit), joined(det.measure(new), new)
    scores, reference = [], []
    for n in (1, 2, 4, 8):
        upto = {name: n for name in FAMILIES if n > 1 or name == "noise"}
        families = {name: type(FAMILIES[name])(FAMILIES[name].strengths, draws=n) for name in upto}
        alone = SmoothnessProfile(families=families, seed=1)
        alone.seed_ = 1
        alone.learn(all_fit.first_draws(upto))
        scores.append(alone.score(all_new.first_draws(upto)))
        reference.append(alone.left_out())
    expected, cost = [], []
    for i in range(len(new)):
        value, stage = by_hand(reference[0], scores[0][i]), 0
        while stage < 3 and value > -np.log([0.3, 0.2, 0.1][stage]):
            stage += 1
            value = by_hand(reference[stage], scores[stage][i])
        expected.append(value)
        cost.append(sum(STAGES[: stage + 1]))
    found = det.scan(new)
    assert found.scores == pytest.approx(expected)
    assert found.forwards.tolist() == cost
    assert set(cost) == {3, 14, 27, 52}


def test_stages_that_are_measured_in_turn_say_what_all_draws_say(det, pool, triggered):
    new = det.taken(np.concatenate([pool[700:], triggered]))
    found, whole = det.examine(new), joined(det.measure(new), new)
    seen = [whole.first_draws(upto) for upto in det.stages()]
    scores, settled = in_stages(det, seen[0], lambda stage, index: seen[stage].take(index))
    assert np.array_equal(found.labels, whole.labels)
    assert np.array_equal(found.scores, scores)
    assert np.array_equal(found.forwards, np.cumsum(STAGES)[settled])


def test_it_takes_a_batch_a_stage_and_no_other_forwards(det, model, pool, triggered):
    guard = Guard(det.classifier, det)
    guard(pool[700:701])
    for image in [*pool[700:720], *triggered[:20]]:
        model.batches.clear()
        took = int(guard(image[None]).result.forwards[0])
        assert model.batches == STAGES[: [3, 14, 27, 52].index(took) + 1]
    model.batches.clear()
    found = det.scan(pool[700:])
    assert sum(model.batches) == found.forwards.sum()
    assert found.mean_forwards < 3 + 0.4 * 11 + 0.3 * 13 + 0.2 * 25
    assert det.forwards == 52
    assert det.scan(triggered).mean_forwards > 2 * found.mean_forwards


def test_it_finds_a_planted_patch_and_is_the_same_in_any_company(det, classifier, pool, triggered, tmp_path):
    clean, hit = det.scan(pool[700:]), det.scan(triggered)
    assert not clean.more_than_promised
    assert hit.flags.mean() > 0.9
    assert (det.scan(triggered[5:6]).scores == hit.scores[5:6]).all()
    backwards = det.scan(triggered[::-1])
    assert (backwards.scores[::-1] == hit.scores).all()
    assert (backwards.forwards[::-1] == hit.forwards).all()
    again = load_detector(save_detector(det, tmp_path / "guard"), classifier)
    assert (again.scan(triggered).scores == hit.scores).all()
    assert again.go_on == (0.3, 0.2, 0.1)


def test_the_promise_holds_end_to_end(det, pool):
    """Twenty streams of fresh inputs, each with a calibration set of its own: the rate they share is the promised one."""
    rates = []
    for seed in range(20):
        fresh = drawn(100 + seed, 300)
        rates.append(det.calibrate(fresh[:200], fpr=0.05).scan(fresh[200:]).flags.mean())
    det.calibrate(pool[300:700], fpr=0.05)
    spread = np.sqrt(0.05 * 0.95 * (1 / 100 + 1 / 200) / 20)
    assert 10 / 201 - 4 * spread < np.mean(rates) < 10 / 201 + 4 * spread


def test_an_input_without_an_answer_is_the_most_suspicious(pool):
    def broken(x: np.ndarray) -> np.ndarray:
        scores = np.eye(4)[quadrant(x)]
        scores[x[:, 0, 0, 0] > 0.99] = np.nan
        return scores

    clf = dd.as_classifier(broken, input_shape=(1, 8, 8), num_classes=4)
    found = StagedProfile(families=FAMILIES, seed=1).fit(clf, pool[:100]).calibrate(pool[100:200], fpr=0.05)
    odd = pool[200:203].copy()
    odd[1, 0, 0, 0] = 1
    scores = found.scan(odd).scores
    assert scores[1] == np.inf
    assert np.isfinite(scores[[0, 2]]).all()


def test_settings_are_checked(classifier, pool):
    for odd in ((0.1, 0.03), (0.1, 0.03, 0.01, 0.001), (0, 0.1, 0.1), (0.1, 0.1, 1), 0.1, ("a", 0.1, 0.1), "abc"):
        with pytest.raises(InputError, match=r"three shares in \(0, 1\), the shares of inputs that go on"):
            StagedProfile(go_on=odd)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="at least one probe"):
        StagedProfile(families={})
    with pytest.raises(InputError, match="variable number of draws, got 'scaled'"):
        StagedProfile(families={**FAMILIES, "scaled": Scale([3, 5])})


def test_a_changed_file_is_refused(det):
    det.check_learned((1, 8, 8), 4)
    for name, value in [
        ("shares_", det.shares_[:2]),
        ("shares_", list(det.shares_)),
        ("shares_", (*det.shares_[:3], det.shares_[3] * 0)),
        ("reference_", (det.reference_[0][:, 1:], *det.reference_[1:])),
        ("reference_", (np.full_like(det.reference_[0], np.nan), *det.reference_[1:])),
        ("draws_", 3),
        ("draws_", {**det.draws_, "noise": det.draws_["noise"][:, :, :4]}),
        ("draws_", {"noise": det.draws_["noise"]}),
        ("labels_", det.labels_[:-1]),
        ("overlays_", np.zeros((3, 1, 8, 8), np.float32)),
    ]:
        kept = getattr(det, name)
        setattr(det, name, value)
        with pytest.raises(InputError, match="fit again"):
            det.check_learned((1, 8, 8), 4)
        setattr(det, name, kept)
    det.check_learned((1, 8, 8), 4)
