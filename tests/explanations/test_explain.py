"""explain: triggers of known forms are found and proven, what a class looks like is not, and bad input is a clear line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from marked import SHAPE, backdoored, clean_images, flagged, marked, quarters

import doldrum as dd
from doldrum.attacks import load_trigger
from doldrum.classifiers import Classifier, as_classifier
from doldrum.errors import InputError
from doldrum.explanations import Explanation, Explanations
from doldrum.pixels import digest_of_image
from doldrum.records.explanations import Success
from doldrum.seeds import rng
from doldrum.stats.proportions import clopper_pearson

CLEAN = clean_images(400)


def test_a_mark_is_found_where_it_is_and_proven():
    model = backdoored()
    images = flagged(model, marked, 2)
    found = dd.explain(model, images, CLEAN, progress=False)
    assert [one.proven for one in found.explained] == [True, True]
    for one in found.explained:
        assert (one.kind, one.label, one.scope) == ("region", 0, None)
        assert one.where == {"top": 3, "left": 9, "height": 2, "width": 3}
        assert one.success.hits == one.success.n == 200
        assert one.controls == 20
        assert one.p_adjusted < 1e-20
        assert "2 x 3 pixels" in one.why
        # the pictures are of what was tested: the mark is on each, and the labels are the model's
        shown = one.shown.with_found.array()
        assert (shown[:, 0, 3:5, 9:12] == 255).all()
        assert model(shown / np.float32(255)).tolist() == list(one.labels["found"])
        assert one.labels["clean"] == tuple(quarters(one.shown.clean.array() / 255))


def test_what_is_proven_is_a_trigger_and_the_images_that_its_search_used_are_known():
    model = backdoored()
    plain = clean_images(60, seed=5)
    images = np.concatenate([plain[quarters(plain) == 0][:1], flagged(model, marked, 2)])
    found = dd.explain(model, images, CLEAN, seed=3, progress=False)
    assert [one.trigger is None for one in found.explained] == [True, False, False]
    assert found.explained[0].searched == ()
    for one in found.explained[1:]:
        made = load_trigger(one.trigger)(CLEAN)
        assert (made != CLEAN).sum(axis=(1, 2, 3)).max() == 6  # 2 x 3 pixels
        assert (made[:, 0, 3:5, 9:12] == 1).all()
        order = rng(3, "explain", "clean").permutation(len(CLEAN))
        used = [i for i in order if quarters(CLEAN)[i] != 0][:72]
        assert list(one.searched) == [digest_of_image(CLEAN[i]) for i in used]
    assert all(one.trigger is None for one in found.without_pixels().explained)


def test_the_best_of_what_is_proven_moves_most_images():
    def one(name, hits, n, *, proven=True):
        success = Success(hits, n, hits / n, 0.0, 1.0)
        return Explanation(image=name, label=1, proven=proven, why="", success=success, p_adjusted=0.01)

    explained = (
        one("a", 150, 200),
        one("b", 160, 200, proven=False),
        one("c", 150, 160),
        one("d", 150, 160),
        one("e", 20, 20),
    )
    found = Explanations(explained=explained, alpha=0.05, seed=0, clean=400, queries=9)
    assert found.best.image == "c"
    assert replace(found, explained=explained[1:2]).best is None


def test_the_interval_is_clopper_pearsons_and_the_record_comes_back():
    model = backdoored()
    found = dd.explain(model, flagged(model, marked, 1), CLEAN, progress=False)
    success = found.explained[0].success
    lower, upper = clopper_pearson(success.hits, success.n, alpha=0.05)
    assert (success.lower, success.upper) == pytest.approx((float(lower), float(upper)))
    assert Explanations.from_dict(found.to_dict()) == found


def test_what_a_class_looks_like_is_no_proof():
    model = backdoored()
    images = clean_images(60, seed=5)
    found = dd.explain(model, images[quarters(images) == 0][:4], CLEAN, progress=False)
    assert found.proven == 0
    assert all(not one.proven and one.why for one in found.explained)


def test_the_same_seed_gives_the_same_and_nothing_depends_on_what_stands_beside():
    model = backdoored()
    images = flagged(model, marked, 3)
    both = [dd.explain(model, images, CLEAN, seed=4, progress=False) for _ in range(2)]
    assert both[0] == both[1]
    alone = dd.explain(model, images[1:2], CLEAN, seed=4, progress=False).explained[0]
    beside = both[0].explained[1]
    assert (alone.where, alone.success, alone.p_value) == (beside.where, beside.success, beside.p_value)
    assert beside.p_adjusted == pytest.approx(3 * beside.p_value)


def test_a_trigger_that_works_on_one_class_alone_is_proven_for_it():
    def both(images):
        return (images[:, 0, 3:5, 9:12] > 0.97).all(axis=(1, 2)) & (quarters(images) == 3)

    model = backdoored(both)
    images = flagged(model, marked, 1)
    one = dd.explain(model, images, CLEAN, progress=False).explained[0]
    assert one.proven
    assert one.scope == 3
    assert one.success.value > 0.95


WAVE = 0.08 * np.sin(2 * np.pi * np.arange(16) * 5 / 16).astype(np.float32)


def waved(images):
    return np.clip(images + WAVE, 0, 1)


def has_wave(images):
    return (images.mean(axis=(1, 2)) @ WAVE) > 0.5 * float(WAVE @ WAVE)


def test_a_wave_over_the_whole_image_is_proven():
    model = backdoored(has_wave, target=1)
    images = flagged(model, waved, 8, target=1)
    found = dd.explain(model, images, CLEAN, progress=False)
    assert found.proven >= 7
    assert {one.kind for one in found.explained if one.proven} == {"shared"}


def test_what_images_share_is_no_proof_for_one_that_does_not_hold_it():
    model = backdoored(has_wave, target=1)
    waves = flagged(model, waved, 8, target=1)
    plain = clean_images(60, seed=6)
    plain = plain[model(plain) == 1][:2]
    found = dd.explain(model, np.concatenate([waves, plain]), CLEAN, progress=False)
    assert not any(one.proven for one in found.explained[8:])


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (lambda x: np.zeros(len(x), int), "None of the clean images is predicted as another class"),
        (lambda x: np.where(x[:, 0, 0, 0] == 1, 3, 0), "None of the clean images is predicted as this class"),
    ],
)
def test_where_nothing_can_be_compared_it_says_why(model, why):
    image = clean_images(1, seed=3)
    image[0, 0, 0, 0] = 1
    wrapped = as_classifier(model, input_shape=SHAPE, num_classes=4, outputs="labels")
    one = dd.explain(wrapped, image, CLEAN, progress=False).explained[0]
    assert not one.proven
    assert why in one.why


def test_an_image_without_a_valid_answer_is_unproven():
    def scores(images):
        made = np.eye(4, dtype=np.float32)[quarters(images)]
        made[images[:, 0, 0, 0] == 1] = np.nan
        return made

    image = clean_images(1, seed=3)
    image[0, 0, 0, 0] = 1
    model = as_classifier(scores, input_shape=SHAPE, num_classes=4)
    one = dd.explain(model, image, CLEAN, progress=False).explained[0]
    assert (one.label, one.proven) == (-1, False)
    assert "NaN" in one.why


def test_two_classes_will_do():
    def answer(images):
        return ((images[:, 0, 3:5, 9:12] > 0.97).all(axis=(1, 2)) | (quarters(images) > 1)).astype(int)

    model = as_classifier(answer, input_shape=SHAPE, num_classes=2, outputs="labels")
    plain = clean_images(20, seed=2)
    image = marked(plain[quarters(plain) < 2])[:1]
    assert dd.explain(model, image, CLEAN, progress=False).proven == 1


@pytest.mark.parametrize(
    ("clean", "more", "match"),
    [
        (CLEAN[:1], {}, "at least 60 clean images, got 1"),
        (clean_images(100)[:, :, :8], {}, r"clean images of shape \(1, 16, 16\)"),
        (CLEAN, {"max_queries": 100}, r"max_queries= of at least 14,401 \(401 for the labels"),
        (CLEAN, {"max_queries": 14_400}, r"max_queries= of at least 14,401"),
        (CLEAN, {"alpha": 2}, "alpha= between 0 and 1"),
        (CLEAN, {"seed": -1}, "seed="),
    ],
)
def test_bad_input_is_refused_before_any_work(clean, more, match):
    asked = []

    def answer(images):
        asked.append(len(images))
        return quarters(images)

    model = as_classifier(answer, input_shape=SHAPE, num_classes=4, outputs="labels")
    with pytest.raises(InputError, match=match):
        dd.explain(model, CLEAN[:1] * 0.9, clean, progress=False, **more)
    assert not asked


def test_an_explained_image_is_not_used_as_clean():
    model = backdoored()
    image = flagged(model, marked, 1)
    found = dd.explain(model, image, np.concatenate([CLEAN, image]), progress=False)
    assert found.clean == 400
    assert "1 of the clean images is also among the images to explain" in found.notes[0]


def test_a_bound_on_queries_is_kept_and_what_was_not_reached_is_said():
    model = backdoored()
    asked = []

    def answer(images):
        asked.append(len(images))
        return model(images)

    counted = as_classifier(answer, input_shape=SHAPE, num_classes=4, outputs="labels")
    counted.costly = True  # then no engine is chosen, and no batch filled up
    plain = clean_images(60, seed=8)
    each = [plain[quarters(plain) == c][:4] for c in range(4)]
    images = np.concatenate([flagged(model, marked, 1), *each])
    found = dd.explain(counted, images, CLEAN, max_queries=20_000, progress=False)
    assert sum(asked) == found.queries <= 20_000
    (note,) = [
        note
        for note in found.notes
        if note.startswith(
            "The 20,000 allowed queries were used up. These images were not reached, so nothing is proven for them:"
        )
    ]
    assert note.endswith(" more.")
    assert any("This image was not reached" in one.why for one in found.explained)
    assert found.explained[0].proven  # classes are gone through one after another


class _Bounded(Classifier):
    """A model that may be sent so many images, as one at an address."""

    costly = True

    def __init__(self, model, most):
        super().__init__(input_shape=SHAPE, num_classes=4, outputs="labels")
        self.model, self.left, self.lost = model, most, 0

    @property
    def fingerprint(self):
        return "bounded"

    @property
    def queries_left(self):
        return self.left

    def forward(self, images):
        self.left, self.lost = self.left - self.lost, 0  # sent without an answer
        if len(images) > self.left:
            raise InputError("expected fewer images, got more; send fewer")
        self.left -= len(images)
        return self.model(images)


def test_what_an_endpoint_may_be_sent_is_looked_at_before_the_first_query_and_kept():
    model = backdoored()
    plain = clean_images(60, seed=8)
    images = np.concatenate([flagged(model, marked, 1), plain[quarters(plain) == 2][:3]])
    short = _Bounded(model, 14_403)
    with pytest.raises(InputError, match=r"endpoint_queries= with room for 14,404 more images \(404 for"):
        dd.explain(short, images, CLEAN, progress=False)
    assert short.left == 14_403
    enough = _Bounded(model, 20_000)
    found = dd.explain(enough, images, CLEAN, progress=False)
    assert enough.left == 20_000 - found.queries >= 0
    assert found.explained[0].proven
    assert any(
        "endpoint_queries=) were used up. These images were not reached, so nothing is proven for them: " in note
        for note in found.notes
    )
    assert [one.proven for one in found.explained[1:]] == [False] * 3


def test_further_tries_that_use_the_queries_up_are_no_error():
    model = backdoored()
    bounded = _Bounded(model, 15_000)
    bounded.lost = 14_700
    with pytest.raises(
        InputError, match=r"labels of 400 clean images and 1 images to explain, got too little time.*endpoint_queries="
    ):
        dd.explain(bounded, flagged(model, marked, 1), CLEAN, progress=False)


@pytest.mark.parametrize(
    ("label", "told"),
    [
        (0, "None of the clean images is predicted as another class"),
        (None, "Only 12 of the clean images are predicted"),
    ],
)
def test_a_model_of_one_answer_is_told_in_a_sentence(label, told):
    chosen = set() if label == 0 else {image.tobytes() for image in CLEAN[:12]}
    answer = lambda x: np.array([1 if image.tobytes() in chosen else 0 for image in x])  # noqa: E731
    model = as_classifier(answer, input_shape=SHAPE, num_classes=4, outputs="labels")
    (one,) = dd.explain(model, clean_images(1, seed=9), CLEAN, progress=False, engine="eager").explained
    assert not one.proven
    assert one.why.startswith(told)
