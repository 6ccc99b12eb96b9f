"""What evaluate takes for a model: whatever as_classifier takes, and what it refuses in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import doldrum as dd
from doldrum.data import ImageSet
from doldrum.errors import ClassifierError, InputError

RNG = np.random.default_rng(0)
TEST = ImageSet(RNG.integers(0, 256, (30, 1, 4, 4), dtype=np.uint8), labels=np.arange(30) % 3)
PLAN = dd.PoisonPlan(rate=0.1, target=0)
PATCH = dd.triggers.Patch(size=1)


def linear(classes: int = 5) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, classes)).eval()


def by_hand(module: nn.Module, images: np.ndarray) -> np.ndarray:
    weight, bias = (p.detach().numpy() for p in module[1].parameters())  # type: ignore[index]
    return (images.reshape(len(images), -1) @ weight.T + bias).argmax(axis=1)


def test_a_module_with_more_classes_than_the_test_set_names() -> None:
    module = linear()
    pixels = TEST.images.astype(np.float32) / 255
    found = dd.evaluate(module, TEST, PATCH, PLAN, batch_size=7)
    assert TEST.labels is not None
    assert found.clean_accuracy.hits == (by_hand(module, pixels) == TEST.labels).sum()
    triggered = pixels[TEST.labels != 0].copy()
    triggered[:, :, -1, -1] = 1
    assert found.asr is not None
    assert found.asr.hits == (by_hand(module, triggered) == 0).sum()


def test_a_function_may_answer_labels_and_a_fitted_estimator_does_too() -> None:
    from sklearn.linear_model import LogisticRegression

    module, pixels = linear(3), TEST.images.astype(np.float32) / 255
    want = dd.evaluate(module, TEST).clean_accuracy.hits
    assert dd.evaluate(lambda x: by_hand(module, x), TEST).clean_accuracy.hits == want
    fitted = LogisticRegression(max_iter=500).fit(pixels.reshape(30, -1), TEST.labels)
    right = (fitted.predict(pixels.reshape(30, -1)) == TEST.labels).sum()
    assert dd.evaluate(fitted, TEST).clean_accuracy.hits == right


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> Any:
        return x, x


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (linear().train(), "evaluation mode"),
        (nn.Sequential(nn.Flatten(), nn.Linear(99, 3)).eval(), "input_shape"),
        (nn.Conv2d(1, 3, 1).eval(), r"scores of shape \(1, classes\)"),
        (Pair().eval(), "tensor"),
        (linear(2), "below 2"),
        (None, "got NoneType"),
        (3, "got int"),
        ("model.safetensors", "dd.open_model"),
        ("model.onnx", "dd.open_model"),
    ],
)
def test_other_models_are_refused_in_words(model: Any, why: str) -> None:
    with pytest.raises((InputError, ClassifierError), match=why):
        dd.evaluate(model, TEST)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"trigger": "patch"}, "expected a Trigger"),
        ({"plan": {"target": 0}}, "expected a PoisonPlan"),
        ({"confidence": "high"}, "confidence"),
        ({"batch_size": "x"}, "batch_size"),
    ],
)
def test_other_arguments_are_refused_in_words(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        dd.evaluate(linear(), TEST, **{"trigger": PATCH, "plan": PLAN, **wrong})


@pytest.mark.parametrize(
    ("label", "shown"), [(-3, "-3"), (10**6, "1000000"), (0.5, "0.5"), (np.nan, "nan"), (np.inf, "inf"), (-1.0, "-1.0")]
)
def test_labels_that_are_no_classes_are_refused(label: float, shown: str) -> None:
    """None of them may be rounded or wrapped into a class that happens to be right."""
    with pytest.raises(
        ClassifierError, match=rf"class numbers from 0 to 32,767 as labels, got the label {shown}; return class numbers"
    ):
        dd.evaluate(lambda x: np.full(len(x), label), TEST)
    found = dd.evaluate(lambda x: np.full(len(x), 9.0), TEST)  # a class that the test set doesn't have is only wrong
    assert found.clean_accuracy.value == 0
