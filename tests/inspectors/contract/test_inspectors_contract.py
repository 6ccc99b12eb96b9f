"""The contract: what is refused in words, what is written down and read again, and who can be inspected at all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.inspectors.toy_models import SHAPE, clean_images, subject, toy

from doldrum.classifiers import as_classifier
from doldrum.data import ImageSet
from doldrum.errors import ClassifierError, InputError
from doldrum.inspectors.contract.hooks import Inspector
from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.contract.subject import Subject, halves, subject_of
from doldrum.inspectors.kinds import INSPECTORS


class Raises(Inspector):
    name = "raises"
    title = "nothing"
    needs = "labels"

    def examine(self, subject: Subject) -> Reading:
        raise ClassifierError("expected more")


@pytest.mark.parametrize("kind", INSPECTORS.values(), ids=list(INSPECTORS))
def test_every_inspector_says_what_it_is(kind: type[Inspector]) -> None:
    assert kind.name
    assert kind.title
    assert kind.needs in ("labels", "scores", "gradients", "weights")


def test_a_model_without_gradients_is_refused_in_words() -> None:
    clf = as_classifier(lambda x: x[:, 0, :3, 0], input_shape=SHAPE, num_classes=3)
    found = INSPECTORS["mask"]().read(subject(clf))
    assert found.refused == "mask needs gradients: it is a function"
    assert found.values == {}


def test_what_a_model_does_wrong_is_in_the_reading() -> None:
    assert Raises().read(subject(toy(0))).refused == "expected more"


def test_a_reading_comes_back_as_it_was_written() -> None:
    one = Reading("mask", {Route(None, 1): -2.5, Route(1, None): math.nan}, seconds=1.25)
    again = Reading.from_dict(one.to_dict())
    assert again.values[Route(None, 1)] == -2.5
    assert math.isnan(again.values[Route(1, None)])
    for broken in ({}, {**one.to_dict(), "values": [[1, 1, 0.0]]}, {**one.to_dict(), "values": 3}):
        with pytest.raises(InputError):
            Reading.from_dict(broken)


def test_halves_are_apart_and_the_same_each_time() -> None:
    images = ImageSet(clean_images(101))
    one, two = halves(images, 5), halves(images, 5)
    assert len(one.search) == len(one.test) == 50
    assert not {x.tobytes() for x in one.search} & {x.tobytes() for x in one.test}
    np.testing.assert_array_equal(one.search, two.search)
    with pytest.raises(InputError, match="at least 20 clean images"):
        halves(ImageSet(clean_images(19)), 5)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: np.tile([0.0, 1.0, 0.0], (len(x), 1)), "got class 1 for 120 of 120"),
        (lambda x: np.full((len(x), 3), np.nan), "NaN or infinities for every clean image"),
    ],
)
def test_a_model_of_one_answer_or_none_is_refused(answer: Any, words: str) -> None:
    clf = as_classifier(answer, input_shape=SHAPE, num_classes=3)
    with pytest.raises(ClassifierError, match=words):
        subject_of(clf, clean_images(), 0)
