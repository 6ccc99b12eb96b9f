import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from preprocessing_models import material, nearest

from doldrum.classifiers import as_classifier
from doldrum.errors import InputError
from doldrum.suspects import Preprocessing, Suspect
from doldrum.suspects.preprocessing_check import (
    check_preprocessing,
    preprocessing_note,
    preprocessing_report,
    preprocessing_warning,
)
from doldrum.suspects.preprocessing_check.answers import Answers, _with_copies, ask
from doldrum.suspects.preprocessing_check.candidates import usual_candidates
from doldrum.suspects.preprocessing_check.compare import rows_of

PLAIN = Preprocessing(size=8)
ALL = [c.preprocessing for c in usual_candidates(PLAIN, resize="stretch")]


def suspect(classifier, opened=PLAIN, notes=()):
    return Suspect(classifier=classifier, format="onnx", preprocessing=opened, notes=notes)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("wants", ALL, ids=[c.name for c in usual_candidates(PLAIN, resize="stretch")])
def test_the_right_one_is_as_good_as_any_and_never_warned_of(wants, labelled):
    images, labels, patterns = material(80)
    truth = labels if labelled else None
    right = check_preprocessing(nearest(patterns, wants, wants), wants, images, truth)
    assert right.best.opened
    assert right.warning is None
    assert not right.shown
    for opened in (PLAIN, ALL[4]):
        found = check_preprocessing(nearest(patterns, wants, opened), opened, images, truth)
        row = next(r for r in found.rows if r.preprocessing == wants)
        if labelled:
            assert row.accuracy.value == found.best.accuracy.value == 1
        else:
            assert row.information > 0.97 * found.best.information
        assert found.shown == (found.warning is not None)
        assert not row.opened or not found.shown


@pytest.mark.parametrize("labelled", [True, False])
def test_caffe_opened_as_0_to_1_is_found_and_its_flags_open_it(labelled):
    images, labels, patterns = material()
    wants = next(p for p in ALL if p.scale == 255 and p.channels == "bgr" and len(p.mean) == 3)
    found = check_preprocessing(nearest(patterns, wants, PLAIN), PLAIN, images, labels if labelled else None)
    assert found.shown
    assert found.best.preprocessing == wants
    assert found.best.flags == "--scale 255 --mean 103.939,116.779,123.68 --std 1 --channels bgr"
    assert found.best.flags in found.warning
    assert found.warning.startswith("note: ")
    assert found.warning.removeprefix("note: ") in found.verdict


def test_a_function_that_only_says_the_label_is_enough():
    images, labels, patterns = material()
    wants = next(p for p in ALL if p.scale == 255)
    for truth in (labels, None):
        found = check_preprocessing(nearest(patterns, wants, PLAIN, outputs="labels"), PLAIN, images, truth)
        assert found.shown
        assert found.best.preprocessing.scale == 255
        assert found.best.confidence is None


def test_the_table_against_the_model_asked_directly():
    """Accuracy, confidence and kept labels of a wrong opening, from the model opened otherwise."""
    images, labels, patterns = material(60)
    wants, opened = ALL[1], ALL[2]
    row = next(
        r
        for r in check_preprocessing(nearest(patterns, wants, opened), opened, images, labels).rows
        if r.preprocessing == wants
    )
    scores = nearest(patterns, wants, wants)(images).astype(np.float64)
    assert row.accuracy.value == (scores.argmax(1) == labels).mean()
    odds = np.exp(scores - scores.max(1, keepdims=True))
    assert row.confidence == pytest.approx((odds.max(1) / odds.sum(1)).mean(), abs=1e-4)
    assert row.classes == 6
    assert row.largest == np.bincount(labels).max() / 60


def test_a_model_that_doesnt_mind_is_never_warned_of():
    """What is left of an image after mean and spread are taken off is the same under every candidate with one mean and std."""
    images, labels, patterns = material(channels=1)
    flat = lambda x: (x - x.mean((1, 2, 3), keepdims=True)) / x.std((1, 2, 3), keepdims=True)  # noqa: E731
    model = lambda x: np.einsum("nchw,kchw->nk", flat(x), flat(patterns))  # noqa: E731
    clf = as_classifier(model, input_shape=(1, 8, 8), num_classes=6, outputs="logits")
    opened = Preprocessing(size=8, channels="grey")
    for truth in (labels, None):
        found = check_preprocessing(clf, opened, images, truth)
        assert found.best.opened
        assert found.warning is None
        assert {row.accuracy and row.accuracy.value for row in found.rows} == ({1.0} if truth is not None else {None})


def test_a_constant_model_says_nothing():
    images, labels, _ = material()
    clf = as_classifier(lambda x: np.zeros(len(x), int), input_shape=(3, 8, 8), num_classes=6, outputs="labels")
    for truth in (labels, None):
        found = check_preprocessing(clf, PLAIN, images, truth)
        assert found.warning is None
        assert "cannot be judged" in found.verdict


def test_labels_by_chance_say_nothing():
    """Labels that change with any change of the image: many, but not steady."""
    images, _, _ = material()
    hashed = lambda x: (np.abs(x.astype(np.float64)).sum((1, 2, 3)) * 1e6).astype(np.int64) % 6  # noqa: E731
    clf = as_classifier(hashed, input_shape=(3, 8, 8), num_classes=6, outputs="labels")
    found = check_preprocessing(clf, PLAIN, images)
    assert found.warning is None
    assert all(abs(row.information) < 0.5 for row in found.rows)


@pytest.mark.parametrize("labelled", [True, False])
def test_two_classes(labelled):
    images, labels, patterns = material(classes=2)
    wants = next(p for p in ALL if p.scale == 255 and p.mean == (0.0,))
    wrong = check_preprocessing(nearest(patterns, wants, PLAIN), PLAIN, images, labels if labelled else None)
    assert wrong.shown
    assert wrong.best.preprocessing.scale == 255
    assert (
        check_preprocessing(nearest(patterns, PLAIN, PLAIN), PLAIN, images, labels if labelled else None).warning
        is None
    )


def test_one_image_shows_nothing():
    images, labels, patterns = material()
    clf = nearest(patterns, next(p for p in ALL if p.scale == 255), PLAIN)
    for truth in (labels[:1], None):
        found = check_preprocessing(clf, PLAIN, images[:1], truth)
        assert found.warning is None
        assert found.images == 1
    assert "too few" in found.verdict or "cannot be judged" in found.verdict


def test_images_of_one_class_are_no_sign():
    """Right openings of a model, with images of one class alone: no spread, and yet no word, whatever the class."""
    images, labels, patterns = material(240)
    for wants in (ALL[0], ALL[3]):
        for k in range(3):
            assert check_preprocessing(nearest(patterns, wants, wants), wants, images[labels == k]).warning is None


def test_grey_images():
    images, labels, patterns = material(channels=1)
    opened, wants = (Preprocessing(size=8, channels="grey", scale=s) for s in (1, 255))
    found = check_preprocessing(nearest(patterns, wants, opened), opened, images, labels)
    assert found.best.flags == "--scale 255 --mean 0 --std 1"
    assert found.shown
    assert len(found.rows) == 5


def test_stretch_and_crop():
    images, labels, patterns = material()
    other = np.random.default_rng(1).permutation(images)  # what stretching made of them
    found = check_preprocessing(
        nearest(patterns, PLAIN, PLAIN), PLAIN, {"stretch": other, "crop": images}, labels, resize="stretch"
    )
    assert found.best.flags == "--resize crop"
    assert "--resize crop" in found.warning
    assert not check_preprocessing(
        nearest(patterns, PLAIN, PLAIN), PLAIN, {"stretch": other, "crop": images}, labels, resize="crop"
    ).shown


def test_a_model_that_takes_bytes_is_asked_for_its_channels_alone():
    images, labels, patterns = material()
    opened = Preprocessing(size=8, scale=255)
    inner = nearest(patterns, Preprocessing(size=8, scale=255, channels="bgr"), opened)
    seen = []

    def bytes_only(x):
        seen.append((float(x.min()), float(x.max())))
        return inner(np.rint(np.clip(x, 0, 1) * 255).astype(np.float32) / 255)

    clf = as_classifier(bytes_only, input_shape=(3, 8, 8), num_classes=6, outputs="logits")
    found = preprocessing_report(
        suspect(clf, opened, ("noisy images are rounded and clipped to bytes before they reach it",)), images, labels
    )
    assert [row.flags for row in found.rows] == ["--channels bgr", ""]
    assert found.shown
    assert min(low for low, _ in seen) >= 0
    assert max(high for _, high in seen) <= 1 + 1e-6


def test_rows_of_pixels_may_be_channels_last():
    images, labels, patterns = material()
    flat = patterns.transpose(0, 2, 3, 1).reshape(6, -1)  # what the model knows
    clf = as_classifier(
        lambda x: -((x.reshape(len(x), 1, -1) - flat) ** 2).sum(2),
        input_shape=(3, 8, 8),
        num_classes=6,
        outputs="logits",
    )
    found = preprocessing_report(
        suspect(clf, notes=("the model takes rows of pixels (images, pixels)",)), images, labels
    )
    assert found.best.layout == "nhwc"
    assert found.shown
    assert "no option" in found.warning


def test_overflow_under_a_candidate_is_no_answer():
    images, labels, patterns = material()
    inner = nearest(patterns, PLAIN, PLAIN)
    half = lambda x: np.where(np.abs(x).max((1, 2, 3))[:, None] > 2, np.nan, inner(np.clip(x, -2, 2)))  # noqa: E731
    clf = as_classifier(half, input_shape=(3, 8, 8), num_classes=6, outputs="logits")
    for truth in (labels, None):
        found = check_preprocessing(clf, PLAIN, images, truth)
        row = next(r for r in found.rows if r.name == "[0, 255], RGB")
        assert (row.kept, row.confidence) == (0, 0)
        assert found.best.opened


class TestWarning:
    def test_it_is_the_checks(self):
        images, labels, patterns = material()
        clf = nearest(patterns, ALL[3], PLAIN)
        for truth in (labels, None):
            said = preprocessing_warning(suspect(clf), images, truth)
            assert said is not None
            assert said == check_preprocessing(clf, PLAIN, images, truth).warning

    def test_a_model_that_is_right_costs_three_forwards_an_image(self):
        images, labels, patterns = material(300)
        inner, asked = nearest(patterns, PLAIN, PLAIN), []
        clf = as_classifier(
            lambda x: (asked.append(len(x)), inner(x))[1], input_shape=(3, 8, 8), num_classes=6, outputs="logits"
        )
        asked.clear()
        assert preprocessing_warning(suspect(clf), images, labels) is None
        assert sum(asked) == 3 * 200

    def test_one_that_costs_money_is_not_asked(self):
        class Costly(type(as_classifier(lambda x: x, input_shape=(3, 8, 8), num_classes=6))):
            costly = True

            def forward(self, images):
                raise AssertionError

        clf = Costly(lambda x: x, input_shape=(3, 8, 8), num_classes=6, outputs="logits")
        assert preprocessing_warning(suspect(clf), material()[0]) is None


class TestInformation:
    def test_steady_labels_have_the_entropy_of_their_shares(self):
        labels = np.array([0] * 5 + [1] * 3 + [2] * 2, np.int16)
        share = np.array([0.5, 0.3, 0.2])
        found = Answers(labels, np.stack([labels, labels]), None)
        assert found.information.mean() == pytest.approx(-(share * np.log(share)).sum())

    def test_labels_by_chance_have_none(self):
        draw = np.random.default_rng(0)
        found = Answers(
            draw.integers(0, 3, 30_000).astype(np.int16), draw.integers(0, 3, (2, 30_000)).astype(np.int16), None
        )
        assert abs(found.information.mean()) < 0.02

    def test_one_label_has_none(self):
        labels = np.zeros(9, np.int16)
        assert Answers(labels, np.stack([labels, labels]), None).information.tolist() == [0] * 9


def test_which_images_share_a_batch_changes_nothing():
    images, _, patterns = material(70)
    clf = nearest(patterns, PLAIN, PLAIN)
    candidates = usual_candidates(PLAIN, resize="stretch")[:2]
    whole = ask(clf, candidates, {"stretch": images}, range(70), opened=PLAIN)
    part = ask(clf, candidates, {"stretch": images}, [3, 50, 69], opened=PLAIN)
    for a, b in zip(whole, part, strict=True):
        np.testing.assert_array_equal(a.labels[[3, 50, 69]], b.labels)
        np.testing.assert_array_equal(a.copies[:, [3, 50, 69]], b.copies)


def test_bad_input_is_refused():
    images, labels, patterns = material()
    clf = nearest(patterns, PLAIN, PLAIN)
    with pytest.raises(InputError, match=r"expected images of shape \(N, 3, 8, 8\)"):
        check_preprocessing(clf, PLAIN, images[:, :, :4])
    with pytest.raises(InputError, match="expected images of shape"):
        check_preprocessing(clf, PLAIN, images[:0])
    with pytest.raises(InputError, match="expected a class from 0 to 5"):
        check_preprocessing(clf, PLAIN, images, labels + 3)
    with pytest.raises(InputError, match="expected images under the key 'crop'"):
        check_preprocessing(clf, PLAIN, {"stretch": images}, labels, resize="crop")


def test_images_without_a_class_are_left_out():
    images, labels, patterns = material()
    clf = nearest(patterns, PLAIN, PLAIN)
    labels[::2] = -1
    assert check_preprocessing(clf, PLAIN, images, labels).images == 60
    nobody = check_preprocessing(clf, PLAIN, images, np.full(120, -1))
    assert (nobody.images, nobody.labelled) == (120, False)


def test_copies_are_brighter_and_turned_as_scipy_turns():
    from scipy.ndimage import rotate

    images = np.random.default_rng(0).random((5, 3, 9, 12), dtype=np.float32)
    plain, brighter, turned = _with_copies(images, [4, 1])
    np.testing.assert_array_equal(plain, images[[4, 1]])
    np.testing.assert_allclose(brighter, np.minimum(plain + 0.15, 1), atol=1e-6)
    expected = rotate(plain, 8, axes=(2, 3), reshape=False, order=1, mode="nearest")
    np.testing.assert_allclose(turned, expected, atol=1e-5)


def labelled(labels, lost=0):
    """Answers of these labels, of which the copies of the first few get another."""
    copies = np.repeat(np.asarray(labels, np.int16)[None], 2, axis=0)
    copies[:, :lost] += 1
    return Answers(np.asarray(labels, np.int16), copies, None)


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_of_near_ties_the_one_nearest_to_the_opening_is_the_first(channels):
    opened = Preprocessing(size=8, channels=channels)
    candidates = usual_candidates(opened, resize="stretch")
    many, none = np.arange(60) % 10, labelled(np.zeros(60))
    steady, other = ([c.name for c in candidates].index(f"[0, 255], {order}") for order in ("RGB", "BGR"))
    if channels == "bgr":
        steady, other = other, steady
    answers = [none] * len(candidates)
    answers[steady], answers[other] = (
        labelled(many, lost=1),
        labelled(many),
    )  # the other order is a little steadier, by chance
    first, second = rows_of(candidates, answers, None, resize="stretch", num_classes=10)[:2]
    assert first.better
    assert first.flags == "--scale 255 --mean 0 --std 1"
    assert second.tied
    answers[steady] = labelled(many, lost=25)  # beyond chance
    first, second = rows_of(candidates, answers, None, resize="stretch", num_classes=10)[:2]
    assert first.flags.startswith("--scale 255 --mean 0 --std 1 --channels")
    assert not second.tied


@pytest.mark.parametrize(("count", "classes", "said"), [(8, 1, True), (7, 1, False), (8, 2, False)])
def test_images_that_all_get_one_label_are_a_note_and_no_warning(count, classes, said):
    _, _, patterns = material(count, classes=2)
    images = patterns[np.arange(count) % classes].astype(np.float32)
    model = suspect(nearest(patterns, PLAIN, PLAIN))
    assert preprocessing_warning(model, images) is None
    note = preprocessing_note(model, images)
    want = f"note: all {count} images that were checked got one label, class 0"
    assert (note is not None) == said
    assert not said or note.startswith(want)
    assert preprocessing_note(model, images, np.arange(count) % classes) is None  # right on all of them
