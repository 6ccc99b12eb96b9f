"""SmoothnessProfile: its likelihoods against plain loops, its threat model, and a planted backdoor."""

from __future__ import annotations

import functools
import itertools
from dataclasses import replace

import numpy as np
import pytest

import doldrum as dd
from doldrum.detectors import Evidence, SmoothnessProfile, load_detector, save_detector
from doldrum.detectors.contract.measuring import joined
from doldrum.detectors.profile.model import Clean, fit_shares
from doldrum.detectors.profile.outlook import made_up
from doldrum.errors import InputError
from doldrum.probes import Contrast, CutMix, Flip, Gaussian, PixelAblation, Shift
from doldrum.responses import Responses
from doldrum.stats.conformal import realised_fpr, threshold

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


CURVES = {
    1: [[0], [0.5], [0.97], [0.7]],
    2: [[0, 0], [0.5, 0], [0.97, 0], [0.97, 0.5], [0.97, 0.97], [0.7, 0.7]],
}


def logit(p):
    p = min(max(p, 0.005), 0.995)
    return np.log(p / (1 - p))


def share(fit, rows, name, places, k, toward=(0.0, 0.0)):
    """Share of what came back at `places` (c, j) that is the input's own label, or `k` where it isn't; of the inputs worth `toward`."""
    d, worth = fit.responses[name].draws, toward[1]
    came = [d[i, c, j] == (fit.labels[i] if k is None else k) for i in rows for c, j in places if d[i, c, j] >= 0]
    return (sum(came) / len(places) + toward[0] * worth) / (len(came) / len(places) + worth)


@functools.cache
def label_rates(fit, rows, name, c, j, k):
    """Rates of one draw's label around clean inputs of label k, one count at a time, as the docstring of Rates says."""
    d, classes = fit.responses[name].draws, fit.num_classes
    own = [i for i in rows if fit.labels[i] == k]
    strength, place = [(c, x) for x in range(d.shape[2])], [(c, j)]
    everywhere = [(x, y) for x in range(d.shape[1]) for y in range(d.shape[2])]
    stays = share(fit, rows, name, strength, None, (0.5, 1))
    here = share(fit, rows, name, place, None, (stays, 2))
    its = share(fit, own, name, strength, k, (stays, 3))
    stay = 1 / (1 + np.exp(-(logit(its) + logit(here) - logit(stays))))

    def gone(some, at, v):
        return sum(d[i, x, y] == v and fit.labels[i] != v for i in some for x, y in at) / len(at)

    family = np.array([gone(rows, everywhere, v) + 0.3 / classes for v in range(classes)])
    others = np.array([gone(rows, place, v) + 0.3 / classes for v in range(classes)]) + 2 * family / family.sum()
    others[k] = 0
    goes = np.array([gone(own, everywhere, v) for v in range(classes)]) + 2 * others / others.sum()
    mean = goes / goes.sum() * (1 - stay)
    mean[k] = stay
    counts = np.array([sum(d[i, c, j] == v for i in own) for v in range(classes)])
    return (counts + 4 * mean) / (counts.sum() + 4)


def plain_rates(fit, rows, name, c, j, k, weights):
    """Rates of one draw's label around one component of label k's clean inputs."""
    d, classes = fit.responses[name].draws, fit.num_classes
    part = np.array([sum(w * (d[i, c, j] == v) for i, w in weights.items()) for v in range(classes)])
    part = part + 4 * label_rates(fit, tuple(rows), name, c, j, k)
    return part / part.sum()


def plain_shares(fit, rows):
    """Which of `rows` make up each component, and how much of each: {label: [{row: share}]}, by the plain rule of EM."""
    found = {}
    for k in sorted(set(fit.labels[rows].tolist())):
        mine = [i for i in rows if fit.labels[i] == k]
        parts = max(1, min(4, len(mine) // 12))
        keeps = {i: sum((r.draws[i] == k).sum() for r in fit.responses.values()) for i in mine}
        order = sorted(mine, key=lambda i: (keeps[i], mine.index(i)))
        own = [{i: float(i in set(part.tolist())) for i in mine} for part in np.array_split(np.array(order), parts)]
        for _ in range(25 if parts > 1 else 0):
            logs = {i: [np.log((sum(w.values()) + 1) / (len(mine) + parts)) for w in own] for i in mine}
            for r, w in enumerate(own):
                for name, responses in fit.responses.items():
                    _, conditions, draws = responses.draws.shape
                    for c, j in itertools.product(range(conditions), range(draws)):
                        p = plain_rates(fit, rows, name, c, j, k, w)
                        for i in mine:
                            label = responses.draws[i, c, j]
                            logs[i][r] += np.log(p[label]) if label >= 0 else 0
            own = [{} for _ in range(parts)]
            for i in mine:
                e = np.exp(np.array(logs[i]) - max(logs[i]))
                for r in range(parts):
                    own[r][i] = e[r] / e.sum()
        found[k] = own
    return found


@functools.cache
def plain_lift(fit, rows, k, to):
    """How many times as often as others do inputs of label k change to the label `to`, by the docstring of log_nearness."""

    def went(i, v):
        changed = [d for r in fit.responses.values() for d in r.draws[i].ravel() if d >= 0 and d != fit.labels[i]]
        return changed.count(v) / len(changed) if changed else 0

    all_of = [sum(went(i, v) for i in rows) + 0.3 for v in range(fit.num_classes)]
    expected = all_of[to] / (sum(all_of) - all_of[k])
    own = [i for i in rows if fit.labels[i] == k]
    total = sum(went(i, v) for i in own for v in range(fit.num_classes))
    return (sum(went(i, to) for i in own) + 2 * expected) / (total + 2) / expected


def plain_nearness(fit, rows, k, to):
    if k == to or k not in fit.labels[list(rows)]:
        return 1
    return np.sqrt(plain_lift(fit, tuple(rows), k, to) * plain_lift(fit, tuple(rows), to, k))


def plain_parts(fit, new, i, rows, shares, still, outliers):
    """Distance of the classes, joint ratio, unlikeliness, the families' ratios and calms of input i, held against `rows` of fit."""
    label = int(new.labels[i])
    null, bad, outlier, mine_, others, near = [], [], [], [], [], []
    for k, parts in shares.items():
        for w in parts:
            weight = (sum(w.values()) + 1) / (len(w) + len(parts)) * len(w) / len(rows)
            plain, triggered, kept = [], [], []
            for name, responses in new.responses.items():
                _, conditions, draws = responses.draws.shape
                places = [
                    (c, j)
                    for c, j in itertools.product(range(conditions), range(draws))
                    if responses.draws[i, c, j] >= 0
                ]
                p = {(c, j): plain_rates(fit, rows, name, c, j, k, w) for c, j in places}
                came = {(c, j): responses.draws[i, c, j] for c, j in places}
                plain.append(np.prod([p[at][came[at]] for at in places]))
                terms = [
                    np.prod([(q[at[0]] * (came[at] == label) + (1 - q[at[0]]) * p[at][came[at]]) for at in places])
                    for q in CURVES[conditions]
                ]
                triggered.append(np.mean(terms))
                kept.append(np.prod([0.05 * (came[at] == label) + 0.95 * p[at][came[at]] for at in places]))
            if k == label:
                null.append(plain)
                mine_.append(weight)
            else:
                bad.append(triggered)
                outlier.append((np.prod(plain) + np.prod(kept)) / 2)
                others.append(weight)
                near.append(weight * plain_nearness(fit, rows, label, k))
    null, bad = np.array(null), np.array(bad)
    p0 = np.average(null.prod(axis=1), weights=mine_)
    either = (1 - outliers) * p0 + outliers * np.average(outlier, weights=others)
    p1 = np.log(np.average(bad.prod(axis=1), weights=others))
    distance = p1 - np.log(np.average(bad.prod(axis=1), weights=near))
    by = [
        np.log(np.average(bad[:, f], weights=others)) - np.log(np.average(null[:, f], weights=mine_))
        for f in range(null.shape[1])
    ]
    calms = {}
    for name, responses in fit.responses.items():
        kept = {r: (responses.draws[r] == fit.labels[r]).sum() / (responses.draws[r] >= 0).sum() for r in rows}
        groups = [[kept[r] for r in rows if fit.labels[r] == k] for k in range(fit.num_classes)]
        means = [(sum(g) + 6 * np.mean(list(kept.values()))) / (len(g) + 6) for g in groups]
        squares = [(kept[r] - means[fit.labels[r]]) ** 2 for r in rows]
        its = [(v - means[label]) ** 2 for v in groups[label]]
        spread = np.sqrt((sum(its) + 20 * np.mean(squares)) / (len(its) + 20)) + 0.05
        own = new.responses[name].draws[i]
        calms[name] = ((own == label).sum() / (own >= 0).sum() - means[label]) / spread
    return [distance, p1 - np.log(either), -np.log(p0), *by, *(np.mean([calms[n] for n in group]) for group in still)]


def plain_surprise(reference, value, shape):
    """-log of the share of the reference as high, its tail above the 90th percentile taken as exponential."""
    start = np.quantile(reference, 0.9)
    if value > start:
        above = [r - start for r in reference if r > start]
        excess = (sum(above) + 10 * shape * (start - np.median(reference))) / (len(above) + 10)
        return np.log(10) + (value - start) / max(excess, 0.05)
    return -np.log(max((1 + sum(r >= value for r in reference)) / (len(reference) + 1), 0.1))


def plain_sum(inner, parts, families, content=()):
    shapes = [0.4, 0.6, *[1.05] * families, 0.25, *content]
    s = [plain_surprise(inner[:, j + 1], value, shapes[j]) for j, value in enumerate(parts[1:])]
    ratios, calm = [s[0], s[1], np.mean(s[2 : 2 + families])], s[2 + families :]
    each = min(1, 2 / max(len(content), 1))
    total = ratios[0] + ratios[1] + 0.5 * ratios[2] + 0.25 * calm[0] + each * sum(calm[1:])
    return total + 0.75 * max(ratios) + 0.5 * max(calm) + 1.5 * parts[0]


def expected_score(fit, new, still, content=(), outliers=1e-5):
    """The docstring of SmoothnessProfile as loops, and the parts of the inputs of fit, each held against nine tenths."""
    n, families = len(fit), len(fit.responses)
    inner = np.empty((n, 3 + families + len(still)))
    for fold in range(10):
        rest = [i for i in range(n) if i % 10 != fold]
        shares = plain_shares(fit, rest)
        for i in range(fold, n, 10):
            inner[i] = plain_parts(fit, fit, i, rest, shares, still, outliers)
    everyone = list(range(n))
    shares = plain_shares(fit, everyone)
    parts = [plain_parts(fit, new, i, everyone, shares, still, outliers) for i in range(len(new))]
    return np.array([plain_sum(inner, p, families, content) for p in parts]), inner


@pytest.mark.parametrize("outliers", [1e-5, 0.2])
def test_score_is_the_sum_of_its_plain_parts(outliers, monkeypatch):
    if outliers != 1e-5:  # enough of them to tell in so few draws
        monkeypatch.setattr("doldrum.detectors.profile.model._OUTLIERS", outliers)
    rng = np.random.default_rng(0)
    mixed = outliers == 1e-5  # 80 inputs: enough for a label to be a mixture
    fit, new = evidence(rng, 80 if mixed else 40), evidence(rng, 12)
    det = SmoothnessProfile(families={"a": Gaussian([1, 2], draws=4), "b": Gaussian([1, 2], draws=4)}, seed=0)
    det.seed_ = 0
    det.learn(fit)
    scores, inner = expected_score(fit, new, [["a", "b"]], outliers=outliers)
    assert det.reference_ == pytest.approx(inner)
    assert det.score(new) == pytest.approx(scores)
    assert ((det.shares_ > 0.01).sum(axis=1).max() > 1) == mixed
    assert det.left_out() == pytest.approx([plain_sum(inner, row, 2) for row in inner])


@pytest.mark.parametrize("flips", [True, False])
def test_calm_under_each_change_of_content_is_a_part_by_itself(flips):
    rng = np.random.default_rng(3)
    shapes = {"a": (2, 4), "b": (2, 4), "c": (1, 3), "overlay": (1, 4), "cutmix": (1, 3), "hybrid": (2, 1)}

    def some(n):
        one = evidence(rng, n, names=shapes)
        cut = {
            k: replace(r, draws=r.draws[:, : shapes[k][0], : shapes[k][1]], strengths=r.strengths[: shapes[k][0]])
            for k, r in one.responses.items()
            if flips or k != "c"
        }
        return replace(one, responses=cut)

    fit, new = some(40), some(12)
    families = {"a": Gaussian([1, 2], draws=4), "b": Shift([1, 2], draws=4)} | ({"c": Flip(draws=3)} if flips else {})
    det = SmoothnessProfile(families=families, overlays=4, seed=0)
    det.seed_, det.fitted_for, det.overlays_ = 0, ("f", (1, 1, 1), 3), np.zeros((4, 1, 1, 1), np.float32)
    det.learn(fit)
    det.check_learned((1, 1, 1), 3)
    # Calm under noise, under flips and under each family with overlays; not under shifts.
    groups = [["a"], ["c"], ["overlay"], ["cutmix"], ["hybrid"]]
    groups, tails = [g for g in groups if flips or g != ["c"]], [0.58] * flips + [0.34, 0.37, 0.58]
    scores, inner = expected_score(fit, new, groups, tails)
    assert det.reference_ == pytest.approx(inner)
    assert det.score(new) == pytest.approx(scores)


def test_a_score_does_not_depend_on_the_company_or_on_what_is_kept(monkeypatch):
    """Many classes: components are made again for each batch where they are too many to keep."""
    rng = np.random.default_rng(5)
    fit, new = evidence(rng, 90, classes=40), evidence(rng, 20, classes=40)
    det = SmoothnessProfile(families={"a": Gaussian([1, 2], draws=4), "b": Gaussian([1, 2], draws=4)}, seed=0)
    det.seed_ = 0
    det.learn(fit)
    whole = det.score(new)
    assert np.isfinite(whole).all()
    monkeypatch.setattr("doldrum.detectors.profile.components._KEPT", 0)
    det._ready = None
    for i in (0, 7, 19):
        one = Evidence(new.images[[i]], new.labels[[i]], 40, {
            k: Responses(r.draws[[i]], r.labels[[i]], r.strengths, 40) for k, r in new.responses.items()
        })  # fmt: skip
        assert det.score(one)[0] == whole[i]


@pytest.mark.parametrize(("families", "conditions", "classes"), [(12, 2, 1), (16, 1, 2), (1, 9, 1)])
def test_nor_does_it_with_many_families_or_a_single_class(families, conditions, classes):
    """NumPy adds up an array in another order if one input and one component are all there is."""
    rng = np.random.default_rng(6)
    names = "abcdefghijklmnop"[:families]
    fit, new = (evidence(rng, n, conditions, names=names) for n in (180, 90))
    seen = fit.labels < classes  # the other labels are new
    draws, labels = {k: r.draws[seen] for k, r in fit.responses.items()}, fit.labels[seen]
    clean = Clean(draws, labels, 3, fit_shares(draws, labels, 3, components=1))
    asked = {k: r.draws for k, r in new.responses.items()}
    whole = clean.ratios(asked, new.labels)
    for i in range(90):
        assert np.array_equal(clean.ratios({k: d[[i]] for k, d in asked.items()}, new.labels[[i]])[0], whole[i])


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
    again = load_detector(save_detector(det, tmp_path / "guard"), black_box)
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
    assert getattr(det.probes()["overlay"], "mode", None) == "relative"
    assert getattr(det.probes()["hybrid"], "overlays", None) is not None
    assert det.forwards == 1 + 8 + 7 + 4 + 2 * 2
    det.calibrate(pool[100:300], fpr=0.05)
    again = load_detector(save_detector(det, tmp_path / "guard"), black_box)
    assert again.overlays == 7
    assert (again.scan(pool[300:340]).scores == det.scan(pool[300:340]).scores).all()
    for odd in (det.overlays_[:6], det.overlays_[:, :, :4], np.full((7, 1, 8, 8), np.nan)):
        wrong = load_detector(tmp_path / "guard", black_box)
        wrong.overlays_ = odd
        with pytest.raises(InputError, match="overlays"):
            load_detector(save_detector(wrong, tmp_path / "wrong"))


def test_triggered_inputs_of_fit_are_found_with_one_component(black_box):
    """They are a component of their own where there may be several."""
    rng = np.random.default_rng(1)
    mixed = (0.6 * rng.random((320, 1, 8, 8))).astype(np.float32)
    for image, (a, b) in zip(mixed, 4 * rng.integers(2, size=(320, 2)), strict=True):
        image[0, a : a + 4, b : b + 4] += 0.25
    mixed[:32, 0, 7, 7] = 1
    found = {1: 0, 4: 0}
    for components, seed in itertools.product(found, (1, 2, 3)):
        det = SmoothnessProfile(families=FAMILIES, components=components, seed=seed).fit(black_box, mixed)
        assert det.shares_.shape == (320, components)
        found[components] += (np.argsort(-det.left_out())[:48] < 32).sum()
    assert found[1] > 66 > 54 > found[4]


def test_settings_are_checked(black_box, pool):
    with pytest.raises(InputError, match="at least one probe"):
        SmoothnessProfile(families={})
    with pytest.raises(InputError, match="at least one probe"):
        SmoothnessProfile(families={"a": 0.1})  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="rising order"):
        SmoothnessProfile(families={"a": Gaussian([0.4, 0.1])})
    with pytest.raises(InputError, match="families by name"):
        SmoothnessProfile(families=[Gaussian([0.1])])  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="at least 10 clean inputs for fit, got 9"):
        SmoothnessProfile().fit(black_box, pool[:9])
    for name in ("overlay", "cutmix", "hybrid"):
        with pytest.raises(InputError, match=f"a name other than '{name}'"):
            SmoothnessProfile(families={name: Gaussian([0.1])})
    with pytest.raises(InputError, match="none with overlays"):
        SmoothnessProfile(families={"a": CutMix(pool[:3])})
    for odd in (-1, 1.5, True, "3"):
        with pytest.raises(InputError, match="number of overlays to be a whole number"):
            SmoothnessProfile(overlays=odd)  # pyright: ignore[reportArgumentType]
    for odd in (0, 1.5, True, "3"):
        with pytest.raises(InputError, match="whole number of at least 1 as components"):
            SmoothnessProfile(components=odd)  # pyright: ignore[reportArgumentType]


def test_a_changed_file_is_refused(black_box, pool):
    det = SmoothnessProfile(families={"c": Contrast([0.5], draws=2)}, seed=1).fit(black_box, pool[:60])
    det.check_learned((1, 8, 8), 4)
    for name, value in [
        ("labels_", det.labels_ + 4),
        ("labels_", det.labels_[:-1]),
        ("draws_", {"c": det.draws_["c"][:, :, :1]}),
        ("draws_", {"c": det.draws_["c"] * 1.0}),
        ("draws_", {"c": det.draws_["c"] + np.int16(4)}),
        ("draws_", 3),
        ("shares_", det.shares_ * 0),
        ("shares_", det.shares_ - 0.5 * np.array([1, -1, 1, -1])),
        ("reference_", np.full_like(det.reference_, np.nan)),
        ("reference_", det.reference_[:, 1:]),
    ]:
        kept = getattr(det, name)
        setattr(det, name, value)
        with pytest.raises(InputError, match="fit again"):
            det.check_learned((1, 8, 8), 4)
        setattr(det, name, kept)


def drawn(seed, count):
    """One quadrant brighter than the others."""
    rng = np.random.default_rng(seed)
    made = (0.6 * rng.random((count, 1, 8, 8))).astype(np.float32)
    for image, (a, b) in zip(made, 4 * rng.integers(2, size=(count, 2)), strict=True):
        image[0, a : a + 4, b : b + 4] += 0.25
    return made


def test_the_outlook_is_what_made_up_triggers_are_found_at(black_box):
    """The same triggers on fresh clean inputs, at thresholds of fresh calibration sets, are found as often."""
    found, actual = [], []
    for seed in range(4):
        images = (0.9 * np.random.default_rng(seed).random((660, 1, 8, 8))).astype(np.float32)
        det = SmoothnessProfile(families={"shift": FAMILIES["shift"]}, seed=seed).fit(black_box, images[:60])
        seen = det.outlook(calibration=60, fpr=0.05)
        assert 0 <= seen.unlucky <= seen.found + 1e-9
        assert (seen.images, seen.classes, seen.classes_without) == (60, 4, 0)
        assert seen.promise == realised_fpr(60, 0.05)
        found.append(seen.found)
        fresh = joined(det.measure(new := det.taken(images[60:])), new)
        scores = det.score(fresh)
        draws, labels = made_up(
            {k: r.draws for k, r in fresh.responses.items()}, fresh.labels, 4, np.random.default_rng(seed)
        )
        responses = {k: replace(r, draws=draws[k], labels=labels) for k, r in fresh.responses.items()}
        bad = det.score(replace(fresh, labels=labels, responses=responses))
        actual += [(bad > threshold(scores[60 * i : 60 * i + 60], 0.05)).mean() for i in range(10)]
    assert 0.05 < np.mean(found) < 0.9
    assert np.mean(found) == pytest.approx(np.mean(actual), abs=0.06)
    det = SmoothnessProfile(families={"shift": FAMILIES["shift"]}, seed=0).fit(black_box, drawn(0, 20))
    with pytest.raises(InputError, match="at least 99 calibration inputs"):
        det.outlook(calibration=60, fpr=0.01)


def test_few_images_of_fit_repeat_as_overlays(black_box):
    few = drawn(3, 12)
    det = SmoothnessProfile(seed=0).fit(black_box, few)
    assert det.forwards == 64
    times = [(det.overlays_ == image).all(axis=(1, 2, 3)).sum() for image in few]
    assert sorted(times) == [1] * 10 + [2] * 2
    assert det.outlook(calibration=19, fpr=0.05).classes_without == 4 - len(np.unique(quadrant(few)))
