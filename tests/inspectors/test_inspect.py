"""inspect: a known short cut is shown beside references, clean models keep the promise, and what can't be is said before any work."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from tests.inspectors.toy_models import CORNER, SHAPE, TARGET, clean_images, toy

from doldrum.attacks.load import load_trigger
from doldrum.classifiers import as_classifier
from doldrum.data import ImageSet
from doldrum.errors import ClassifierError, InputError
from doldrum.inspectors import Examination, Route, examine, inspect
from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.inspect import judged
from doldrum.inspectors.inspection import verdict_of
from doldrum.inspectors.judging.anomaly import anomalies, anomaly_index
from doldrum.inspectors.judging.standard import standings
from doldrum.poisoning.evaluate import Share
from doldrum.seeds import rng

CLEAN = clean_images(80)


@cache
def examined(seed: int, *, backdoor: bool = False) -> Examination:
    return examine(toy(seed, backdoor=backdoor), CLEAN, inspectors=["mask"], progress=False)


def references() -> list[Examination]:
    return [examined(seed) for seed in range(100, 109)]


def test_a_backdoor_is_shown_with_its_class_and_its_trigger() -> None:
    found = inspect(toy(0, backdoor=True), CLEAN, references=references(), fpr=0.1, inspectors=["mask"], progress=False)
    assert (found.verdict, found.exit_code) == ("backdoor shown", 3)
    assert (found.target, found.route) == (TARGET, Route(None, TARGET))
    assert found.p_value == pytest.approx(0.1)  # the most suspicious of ten
    assert found.trigger is not None
    moved = found.trigger(CLEAN) - CLEAN
    assert np.unravel_index(np.abs(moved).sum(axis=(0, 1)).argmax(), moved.shape[2:]) == CORNER
    assert found.success is not None
    assert found.success.lower > 0.5
    assert found.smaller is not None
    sizes = [one.readings[0].values[Route(None, TARGET)] for one in references()]
    assert found.smaller == pytest.approx(
        np.exp(examined(0, backdoor=True).readings[0].values[Route(None, TARGET)] - np.mean(sizes))
    )
    assert found.smaller > 2


def test_the_trigger_is_tested_on_images_that_no_search_has_seen() -> None:
    """Its success rate is over test images that start on the route: none of class 2, none of the half searched on."""
    found = inspect(toy(0, backdoor=True), CLEAN, inspectors=["mask"], progress=False)
    assert found.success is not None
    labels = np.argmax(toy(0)(CLEAN), axis=1)
    assert found.success.n <= 40
    assert found.success.n < (labels != TARGET).sum()


def test_a_clean_model_shows_no_sign_beside_its_kind() -> None:
    found = judged(toy(1), examined(1), references(), CLEAN, fpr=0.1)
    first, *rest = standings([examined(1).readings, *(one.readings for one in references())])
    assert found.p_value == (1 + sum(r.score >= first.score for r in rest)) / 10
    assert found.verdict == ("no sign" if found.p_value > 0.1 else found.verdict)


def test_without_references_there_is_no_promise() -> None:
    found = inspect(toy(1), CLEAN, inspectors=["mask"], progress=False)
    assert (found.p_value, found.fpr, found.references) == (None, None, 0)
    assert (found.verdict, found.exit_code) == ("no conclusion", 0)  # three classes: nothing to compare one with
    assert found.target is not None  # the smallest trigger is shown all the same


def test_a_model_that_nobody_can_look_into_is_no_clean_one() -> None:
    clf = as_classifier(lambda x: toy(1)(x), input_shape=SHAPE, num_classes=3)
    with pytest.raises(
        ClassifierError, match="that at least one inspector can examine, got one that none can: mask needs gradients"
    ):
        inspect(clf, CLEAN, inspectors=["mask"])


def test_what_it_says_is_json_and_the_trigger_comes_back() -> None:
    found = inspect(toy(0, backdoor=True), CLEAN, references=references(), fpr=0.1, inspectors=["mask"], progress=False)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert told["target"] == TARGET
    assert load_trigger(told["trigger"]) == found.trigger
    assert told["table"][0]["target"] == TARGET
    assert told["table"][0]["deviation"] == max(row["deviation"] for row in told["table"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda refs: refs[:5], "at least 9 reference models"),
        (lambda refs: [*refs[:8], refs[0]], "got 1 copies of other references"),
        (
            lambda refs: [*refs[:8], replace(refs[8], num_classes=4)],
            "with 3 classes, like the model, got a reference with 4",
        ),
        (lambda refs: [*refs[:8], replace(refs[8], key="other")], "same images, inspectors and seed"),
        (lambda refs: [*refs[:8], examined(0, backdoor=True)], "the model itself as reference number 8"),
    ],
)
def test_references_that_will_not_do(change: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        judged(toy(0, backdoor=True), examined(0, backdoor=True), change(references()), CLEAN, fpr=0.1)  # type: ignore[operator]


def test_a_trigger_that_is_hardly_smaller_shows_no_backdoor() -> None:
    """A model that only stands out, as one with wrong labels in its training data does, is suspicious and no more."""
    share = Share(90, 100, 0.9, 0.82, 0.95)
    standing = standings([examined(0, backdoor=True).readings, *(one.readings for one in references())])[0]
    told = [verdict_of(0.05, standing, share, smaller, fpr=0.05) for smaller in (1.9, 2.0, None)]
    assert told == ["suspicious", "backdoor shown", "suspicious"]
    assert verdict_of(0.05, standing, None, 9.0, fpr=0.05) == "suspicious"
    assert verdict_of(0.06, standing, share, 9.0, fpr=0.05) == "no sign"


def test_arguments_are_refused_before_any_work() -> None:
    with pytest.raises(InputError, match="false-positive rate in"):
        inspect(toy(0), CLEAN, fpr=0)
    with pytest.raises(InputError, match="at least 19 reference models"):
        inspect(toy(0), CLEAN, references=[toy(1)])
    others = [*references()[:8], replace(references()[8], num_classes=4)]
    with pytest.raises(InputError, match=r"3 classes, like the model, got .* and 4 classes in reference number 8"):
        inspect(toy(0), CLEAN, references=others, fpr=0.1)
    with pytest.raises(InputError, match="expected inspectors among"):
        inspect(toy(0), CLEAN, inspectors=["magic"])
    with pytest.raises(InputError, match="at least 20 clean images"):
        inspect(toy(0), ImageSet(CLEAN[:1]))
    with pytest.raises(InputError, match="expected a Classifier, got function"):
        inspect(lambda x: x, CLEAN)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the model itself as reference number 3"):
        inspect(
            toy(0),
            CLEAN,
            references=[*(toy(seed) for seed in (1, 2, 3)), toy(0), *(toy(seed) for seed in range(4, 20))],
        )
    with pytest.raises(InputError, match="shape"):
        inspect(toy(0), np.zeros((30, 1, 5, 5), np.float32))


def test_the_promise_is_kept_over_simulated_models() -> None:
    """Readings of exchangeable models: at most a tenth of clean ones have p <= .1, whatever the spread of a route."""
    chance = rng(3, "promise")
    hits, runs = 0, 400
    for _ in range(runs):
        level = chance.normal(size=6)
        models = [
            [
                Reading(
                    "mask",
                    {Route(None, k): float(v) for k, v in enumerate(level + chance.standard_t(4, 6) * np.arange(1, 7))},
                )
            ]
            for _ in range(10)
        ]
        first, *rest = standings(models)
        hits += (1 + sum(r.score >= first.score for r in rest)) / 10 <= 0.1
    assert abs(hits / runs - 0.1) < 6 * np.sqrt(0.09 / runs)


def test_a_class_that_stands_out_has_students_p_value() -> None:
    from scipy import stats

    values = [0.1, -0.2, 0.0, 3.0, 0.15]
    found = anomalies([Reading("mask", {Route(None, k): v for k, v in enumerate(values)})])
    others = np.array(values)[[0, 1, 2, 4]]
    t = (3.0 - others.mean()) / (others.std(ddof=1) * np.sqrt(1 + 1 / 4))
    assert found.most == ("mask", Route(None, 3))
    assert found.score == pytest.approx(t)
    assert found.p_value == pytest.approx(5 * stats.t.sf(t, 3))


def test_two_classes_are_too_few_to_compare() -> None:
    found = anomalies([Reading("mask", {Route(None, 0): 0.0, Route(None, 1): 9.0})])
    assert (found.most, found.p_value) == (None, 1.0)


def test_the_anomaly_index_by_hand() -> None:
    """Median 30; distances 25, 0, 2, 2, 1, of which the median is 2."""
    assert anomaly_index(np.array([5.0, 30, 32, 28, 31])) == (pytest.approx(25 / (1.4826 * 2)), 0)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            {"references": "refs"},
            r"references= as a list of Classifiers, got 'refs'; doldrum.references.open_references opens",
        ),
        (
            {"references": [3]},
            "references= as a list of Classifiers, got int as reference number 0; use dd.as_classifier first",
        ),
        ({"references": 3}, "references= as a list of Classifiers, got int; pass a list"),
        ({"references": None}, "references= as a list of Classifiers, got NoneType"),
        ({"seed": "a"}, "whole number of at least 0 as seed=, got 'a'; e.g. 0"),
        ({"seed": -1}, "whole number of at least 0 as seed=, got -1; e.g. 0"),
        ({"inspectors": "mask"}, r"inspectors= as a list of inspectors' names, got 'mask'; write \['mask'\]"),
        ({"inspectors": 3}, r"inspectors= as a list of inspectors' names, got int; pass a list such as \['mask'\]"),
        ({"inspectors": [[]]}, r"inspectors among mask, .*got the name \[\]; pick names from this list"),
        ({"references": [toy(1), toy(2)], "fpr": 0.33}, r"got 2; give more, or ask for fpr=0\.34"),
    ],
)
def test_wrong_arguments_are_told_in_a_line(wrong, told) -> None:
    with pytest.raises(InputError, match=told):
        inspect(toy(0), CLEAN, progress=False, **wrong)
