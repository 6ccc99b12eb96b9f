"""Settings of the wrong type are the user's mistake: an InputError, before any work."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import doldrum as dd
from doldrum.attacks import ATTACKS, make_attack, run_attack
from doldrum.data import ImageSet, load_dataset
from doldrum.errors import InputError
from doldrum.poisoning import PoisonPlan, evaluate, poison
from doldrum.triggers import Composed, FTrojan, LowFrequency, Patch, Sinusoid, Warp

SMALL = ImageSet(np.zeros((40, 1, 16, 16), np.uint8), labels=np.arange(40) % 4)


@pytest.mark.parametrize(
    "settings",
    [
        {"target": "a"}, {"target": None}, {"target": float("nan")}, {"target": float("inf")}, {"target": [1]},
        {"target": True}, {"rate": True}, {"rate": "5%"}, {"cover_classes": 5, "cover_rate": 0.1},
        {"cover_classes": "ab", "cover_rate": 0.1}, {"cover_classes": (1.5,), "cover_rate": 0.1},
        {"mode": "source-specific", "source": "a"},
    ],
)  # fmt: skip
def test_a_plan_of_wrong_types_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected"):
        PoisonPlan(**{"rate": 0.1, **settings})


def test_a_plan_of_numpy_numbers_is_a_plan_of_plain_ones() -> None:
    plan = PoisonPlan(rate=np.float32(0.25), target=np.int64(3), cover_classes=np.array([1, 2]), cover_rate=0.5)  # type: ignore[arg-type]
    assert json.loads(json.dumps(plan.to_dict())) == PoisonPlan(0.25, 3, cover_classes=(1, 2), cover_rate=0.5).to_dict()


@pytest.mark.parametrize("bad", ["abc", None, [1], float("nan"), True, 2.5])
@pytest.mark.parametrize(
    ("kind", "field"), [(Patch, "size"), (Patch, "margin"), (LowFrequency, "cutoff"), (Warp, "k"), (Warp, "field_seed")]
)
def test_a_whole_setting_of_a_trigger(kind: Any, field: str, bad: Any) -> None:
    with pytest.raises(InputError, match=f"expected a whole number as the setting {field} of trigger "):
        kind(**{field: bad})


@pytest.mark.parametrize("bad", ["abc", None, [1], float("nan"), True])
@pytest.mark.parametrize(("kind", "field"), [(Warp, "s"), (Sinusoid, "delta"), (FTrojan, "magnitude")])
def test_a_number_of_a_trigger(kind: Any, field: str, bad: Any) -> None:
    with pytest.raises(InputError, match=f"expected a number as the setting {field} of trigger "):
        kind(**{field: bad})


def test_several_numbers_arrays_and_parts_of_a_trigger() -> None:
    for make in (
        lambda: FTrojan(positions=3),  # type: ignore[arg-type]
        lambda: LowFrequency(perturbation="abc"),  # type: ignore[arg-type]
        lambda: Composed(3),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError, match="expected"):
            make()
    size = Patch(size=np.int64(2)).size  # type: ignore[arg-type]
    assert size == 2
    assert type(size) is int


@pytest.mark.parametrize(
    ("images", "trigger", "plan", "seed"),
    [
        (SMALL.images, Patch(), PoisonPlan(0.1), 0),
        (SMALL, None, PoisonPlan(0.1), 0),
        (SMALL, lambda x: x, PoisonPlan(0.1), 0),
        (SMALL, Patch(), {"rate": 0.1}, 0),
        (SMALL, Patch(), PoisonPlan(0.1), "a"),
        (SMALL, Patch(), PoisonPlan(0.1), 1.5),
    ],
)
def test_poison_of_wrong_types_is_refused(images: Any, trigger: Any, plan: Any, seed: Any) -> None:
    with pytest.raises(InputError, match="expected"):
        poison(images, trigger, plan, seed=seed)


@pytest.mark.parametrize("id", ATTACKS)
def test_every_setting_of_every_attack_refuses_another_type(id: str) -> None:
    for name, default in ATTACKS[id].settings.items():
        if default is not None:
            with pytest.raises(InputError, match=name):
                make_attack(id, SMALL, settings={name: 5 if isinstance(default, (str, bool, tuple)) else "abc"})


@pytest.mark.parametrize("id", ["trojannn", "issba", "lf", "label-consistent", "input-aware"])
@pytest.mark.parametrize("wrong", [{"rate": 2.0}, {"rate": 0.99}, {"target": 4}])
def test_a_plan_the_set_cannot_have_fails_before_anything_is_trained(
    id: str, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("trained before the plan was checked")

    monkeypatch.setattr("doldrum.training.train", never)
    monkeypatch.setattr("doldrum.attacks.methods.issba.train_encoder", never)
    monkeypatch.setattr("doldrum.attacks.methods.input_aware.InputAwareHook", never)
    with pytest.raises(InputError, match="expected"):
        run_attack(id, SMALL, settings={"optimised": True} if id == "lf" else {}, **wrong)


def test_labels_that_the_model_lacks_and_data_without_labels() -> None:
    model = dd.as_classifier(
        lambda x: np.zeros((len(x), 2), np.float32), input_shape=(1, 16, 16), num_classes=2, outputs="logits"
    )
    with pytest.raises(InputError, match="expected labels below 2"):
        evaluate(model, SMALL)
    with pytest.raises(InputError, match="expected labels with the images"):
        dd.train(ImageSet(SMALL.images), "digits-mlp")
    with pytest.raises(InputError, match="expected the name of a data set"):
        load_dataset(None)  # type: ignore[arg-type]


def test_a_trigger_is_drawn_without_an_image() -> None:
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert Patch().plot(ax) is ax
    drawn: Any = ax.images[0].get_array()
    assert drawn.shape == (32, 96)


@pytest.mark.parametrize("id", ["badnets", "tact", "trojannn", "issba", "input-aware"])
@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"train_set": None}, "ImageSet"),
        ({"train_set": SMALL.images}, "ImageSet"),
        ({"train_set": ImageSet(SMALL.images)}, "labels"),
        ({"seed": "x"}, "seed"),
        ({"seed": None}, "seed"),
        ({"settings": ["size"]}, "settings by name"),
        ({"checkpoint": 5}, "resume file"),
    ],
)
def test_run_attack_of_wrong_types_is_refused(id: str, wrong: dict[str, Any], why: str) -> None:
    for call in (run_attack, make_attack):
        with pytest.raises(InputError, match=why):
            call(**{"id": id, "train_set": SMALL, "recipe": "digits-mlp", "rate": 0.1, **wrong})
    with pytest.raises(InputError, match="an attack among"):
        run_attack([id], SMALL)  # type: ignore[arg-type]
