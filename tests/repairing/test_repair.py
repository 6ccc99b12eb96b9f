"""repair: what it does to a model whose backdoor is known, what it shows, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from repair_toys import CLASSES, TARGET, classifier, clean_images, convolutional, corner, onnx_file
from torch import nn

import doldrum as dd
from doldrum.classifiers.adapters.onnx import OnnxClassifier
from doldrum.errors import ClassifierError, InputError
from doldrum.explanations import Explanation, Explanations
from doldrum.gradients.trainable import trainable
from doldrum.inspectors import Reading, Route
from doldrum.inspectors.kinds import INSPECTORS
from doldrum.pixels import digest_of_image, to_float
from doldrum.poisoning.evaluate import Share
from doldrum.records.explanations import Success
from doldrum.repairing import METHODS, Recovered, recipe
from doldrum.repairing.material import parted
from doldrum.repairing.methods.unlearn import Unlearn
from doldrum.repairing.repair import as_recovered
from doldrum.repairing.result import verdict_of
from doldrum.triggers import MaskedPattern

CLEAN = clean_images(200)


def proven(*, hits: int = 20, **more) -> Explanation:
    """The corner, as an explanation proves it."""
    known: dict[str, Any] = {
        "success": Success(hits, hits, 1.0, 0.8, 1.0),
        "p_adjusted": 0.01,
        "trigger": corner().trigger.to_dict(),
    }
    return Explanation(**({"image": "a", "label": TARGET, "proven": True, "why": ""} | known | more))


def repaired(model=None, clean=CLEAN, **more):
    return dd.repair(classifier() if model is None else model, clean, progress=False, **more)


@pytest.mark.parametrize(
    ("verdict", "references", "cleared"),
    [("no sign", 19, True), ("no sign", 0, False), ("suspicious", 19, False)],
)
def test_only_clean_reference_models_can_clear_a_model(verdict: str, references: int, cleared: bool) -> None:
    found = dd.inspect(classifier(), CLEAN, inspectors=["mask"], progress=False)
    found = replace(found, verdict=verdict, references=references)  # type: ignore[arg-type]
    recovered = as_recovered(found)
    assert recovered is not None
    assert recovered.cleared == cleared


def test_unlearning_takes_the_backdoor_out_and_leaves_the_model_given_alone() -> None:
    model = classifier()
    before = model.fingerprint
    found = repaired(model, inspection=corner())
    assert model.fingerprint == before != found.classifier.fingerprint
    assert (found.verdict, found.exit_code, found.labels, found.fit, found.test) == (
        "trigger gone",
        0,
        "given",
        150,
        50,
    )
    assert found.success[0].value == 1
    assert found.success[1].value == 0
    assert found.accuracy[1].value == 1
    bright = corner().trigger(CLEAN.images)
    assert (found.classifier(bright).argmax(1) == CLEAN.labels).mean() > 0.95


def test_labels_in_another_order_than_the_models_are_refused_before_they_are_taught() -> None:
    other = dd.ImageSet(CLEAN.images, labels=(CLEAN.labels + 1) % CLASSES)
    with pytest.raises(
        InputError, match=r"predicts 0% of the 150 labels, and 100% .* order.* number the labels in the model's order"
    ):
        repaired(clean=other)
    random = dd.ImageSet(CLEAN.images, labels=np.random.default_rng(0).integers(0, CLASSES, len(CLEAN)))
    with pytest.raises(
        InputError,
        match=r"agree with the model for only .*% of the images; check the labels, the order of the classes and the preprocessing",
    ):
        repaired(clean=random)
    assert repaired(clean=dd.ImageSet(CLEAN.images), inspection=corner()).verdict == "trigger gone"


def test_what_leaves_the_backdoor_in_is_said_to() -> None:
    found = repaired(inspection=corner(), method="fine-tune")
    assert (found.verdict, found.exit_code) == ("trigger still works", 3)
    assert found.to_dict()["success"]["after"]["value"] == 1


def test_an_onnx_model_comes_back_as_one(tmp_path: Path) -> None:
    model = OnnxClassifier(onnx_file(tmp_path / "m.onnx"))
    found = repaired(model, inspection=corner())
    assert isinstance(found.classifier, OnnxClassifier)
    assert found.verdict == "trigger gone"
    torch_one = repaired(inspection=corner())
    np.testing.assert_allclose(
        found.classifier(CLEAN.images / np.float32(255)),
        torch_one.classifier(CLEAN.images / np.float32(255)),
        atol=1e-3,
    )


def test_weights_of_an_onnx_model_are_in_the_order_of_its_layers_in_every_process(tmp_path: Path) -> None:
    """In the order of a set, a repair that was killed would find them in another order, and could not continue."""
    model = trainable(OnnxClassifier(onnx_file(tmp_path / "m.onnx", convolutional())))
    assert len(model.weights()) > 3
    assert [id(p) for p in model.parameters()] == [id(p) for p in model.weights().values()]


def test_own_labels_serve_where_none_are_given() -> None:
    found = repaired(clean=clean_images(200, labels=False), inspection=corner())
    assert (found.verdict, found.labels, found.accuracy) == ("trigger gone", "model", None)
    assert found.agreement.value == 1


def test_the_images_held_back_are_none_that_an_inspection_searched() -> None:
    from doldrum.inspectors.contract.subject import halves

    searched = {image.tobytes() for image in halves(CLEAN, 3).search}
    parts = parted(classifier(), CLEAN, 3)
    held, fit = {image.tobytes() for image in parts.test}, {image.tobytes() for image in parts.fit.images}
    assert len(held) == 50
    assert not held & searched
    assert not held & {(np.frombuffer(one, np.uint8) / np.float32(255)).astype(np.float32).tobytes() for one in fit}


def test_what_an_explanation_proved_is_unlearned_and_tested_on_images_that_its_search_did_not_use() -> None:
    model = classifier()
    images = corner().trigger(CLEAN.images[CLEAN.labels != TARGET][:2])
    why = dd.explain(model, images, CLEAN, seed=5, engine="eager", progress=False)
    assert why.proven == 2
    found, one = (repaired(model, inspection=given) for given in (why, why.best))
    assert (found.verdict, found.larger, found.examination) == ("trigger gone", None, None)
    assert found.success[0].value > 0.95
    assert found.success[1].value == 0
    assert found.classifier.fingerprint == one.classifier.fingerprint
    assert as_recovered(why).route == Route(None, TARGET)
    for seed in (0, 3, 5):
        parts = parted(model, CLEAN, seed, searched=as_recovered(why).searched)
        assert (len(parts.test), len(parts.fit)) == (50, 150)
        assert not {digest_of_image(image) for image in parts.test} & set(why.best.searched)


def test_a_claim_about_one_class_is_a_route_from_it() -> None:
    assert as_recovered(proven(scope=1)).route == Route(1, TARGET)
    both = Explanations(explained=(proven(scope=1), proven(hits=50)), alpha=0.05, seed=0, clean=200, queries=9)
    assert as_recovered(both).route == Route(None, TARGET)


def test_images_that_no_search_used_have_to_be_left_to_test_on() -> None:
    used = tuple(digest_of_image(image) for image in to_float(CLEAN.images[:151]))
    with pytest.raises(
        InputError,
        match=r"at least 50 clean images that the search .* did not use, .* got 49 such images; add clean images",
    ):
        repaired(inspection=proven(searched=used))
    assert repaired(inspection=proven(searched=used[:150])).test == 50


def test_the_inspector_looks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Twice(INSPECTORS["mask"]):
        def examine(self, subject):
            return Reading("mask", {Route(None, k): -3.0 for k in range(CLASSES)})

    monkeypatch.setitem(INSPECTORS, "mask", Twice)
    found = repaired(inspection=corner(inspector="mask", value=-1.0))
    assert found.larger == pytest.approx(np.exp(2.0))
    assert found.examination.readings[0].inspector == "mask"
    assert repaired(inspection=corner(inspector="mask", value=-1.0), inspect_again=False).examination is None


def test_the_same_seed_gives_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "_LEAST_STEPS", 10)
    first, again, other = (
        repaired(inspection=corner(), method=Unlearn(epochs=2, marked=0.125), seed=s) for s in (0, 0, 1)
    )
    assert first.classifier.fingerprint == again.classifier.fingerprint != other.classifier.fingerprint


@pytest.mark.parametrize(
    ("hits", "n", "word"),
    [
        (0, 50, "trigger gone"),
        (0, 10, "not shown to be gone"),
        (10, 50, "not shown to be gone"),
        (40, 50, "trigger still works"),
    ],
)
def test_verdicts(hits: int, n: int, word: str) -> None:
    some = Share.of(np.arange(n) < hits)
    assert verdict_of((some, some), given=True) == word


def test_a_trigger_that_was_given_and_not_tested_is_not_called_gone() -> None:
    assert verdict_of(None, given=True) == "not shown to be gone"
    assert verdict_of(None, given=False) == "no trigger to test"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"clean": clean_images(5)}, "at least 40 clean images"),
        ({"clean": clean_images(80, only=1)}, "several classes, got only images of class 1"),
        (
            {"clean": clean_images(80, labels=False, only=1), "inspection": corner()},
            "only images of class 1, according to the model's own labels",
        ),
        (
            {"clean": clean_images(80, labels=False), "method": "fine-tune"},
            "labels with the clean images for the method fine-tune",
        ),
        ({"clean": dd.ImageSet(np.zeros((80, 1, 6, 6), np.uint8), np.arange(80) % 4)}, "labels below 3"),
        ({"clean": dd.ImageSet(np.zeros((80, 1, 5, 5), np.uint8), np.arange(80) % 3)}, "6"),
        ({"method": "unlearn"}, "inspect the model first"),
        ({"method": "magic"}, r"method= \(fine-tune, fine-prune"),
        ({"inspection": "report"}, "the result of dd.inspect or dd.explain"),
        (
            {"inspection": proven(proven=False)},
            "explanation that proved a trigger, got an explanation without a proven trigger",
        ),
        ({"inspection": Explanations(explained=(), alpha=0.05, seed=0, clean=60, queries=0)}, "that proved a trigger"),
        ({"inspection": proven(trigger=None)}, "without its trigger; explain the image again"),
        ({"inspection": proven(label=7)}, "between the model's 3 classes"),
        ({"inspection": proven(scope=TARGET)}, "a route from one class to another"),
        ({"inspection": Recovered(Route(None, 7), corner().trigger)}, "between the model's 3 classes"),
        (
            {
                "inspection": Recovered(
                    Route(None, TARGET), MaskedPattern(mask=np.ones((4, 4)), pattern=np.ones((1, 4, 4)))
                )
            },
            "of another size",
        ),
    ],
)
def test_bad_input_is_refused_in_words(wrong, why: str) -> None:
    with pytest.raises(InputError, match=why):
        repaired(**wrong)


def test_models_without_weights_to_train_are_refused() -> None:
    function = dd.as_classifier(lambda x: x.reshape(len(x), -1)[:, :3], input_shape=(1, 6, 6), num_classes=3)
    with pytest.raises(ClassifierError, match="weights can be trained"):
        repaired(function, inspection=corner())
    with pytest.raises(ClassifierError, match="without weights in floating point"):
        repaired(classifier(nn.Sequential(nn.AdaptiveAvgPool2d((1, 3)), nn.Flatten()).eval()), inspection=corner())


@pytest.fixture(scope="module")
def trained() -> Any:
    """A small network with batch normalisation that is trained on such images. A repair leaves it as it is."""
    net, images = convolutional().train(), clean_images(300)
    descent = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(100):
        descent.zero_grad()
        given = torch.from_numpy(to_float(images.images))
        nn.functional.cross_entropy(net(given), torch.from_numpy(images.labels)).backward()
        descent.step()
    return classifier(net.eval())


@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps_a_convolutional_model_right(trained, name: str) -> None:
    """No method costs more than a tenth of the accuracy."""
    found = repaired(trained, inspection=corner(), method=name)
    assert found.accuracy[0].value > 0.95
    assert found.accuracy[1].value > 0.9
    assert torch.isfinite(torch.cat([p.flatten() for p in found.classifier.module.parameters()])).all()
