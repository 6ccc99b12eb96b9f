"""A small model of digits, a Guard before it, and a service."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from served import Served, png, serving

import doldrum as dd
from doldrum.detectors import Guard, SmoothnessProfile

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture(scope="session")
def digits() -> np.ndarray:
    """uint8 (N, 1, 8, 8) that the model has not seen."""
    return dd.load_dataset("digits:test").images


@pytest.fixture(scope="session")
def guard(digits) -> Guard:
    """Before a model that answers the class with the nearest mean."""
    train = dd.load_dataset("digits:train")
    flat, labels = train.images.reshape(len(train), -1) / 255, np.asarray(train.labels)
    means = np.stack([flat[labels == k].mean(axis=0) for k in range(10)])

    def nearest(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), -1) @ means.T - (means**2).sum(axis=1) / 2

    model = dd.as_classifier(nearest, input_shape=(1, 8, 8), num_classes=10, outputs="logits")
    detector = SmoothnessProfile(seed=0).fit(model, digits[:60]).calibrate(digits[60:160], fpr=0.2)
    return Guard(model, detector)


@pytest.fixture(scope="session")
def files(digits) -> list[tuple[str, bytes]]:
    return [(f"{i}.png", png(digits[i, 0])) for i in range(160, 190)]


@pytest.fixture(scope="module")
def served(guard) -> Iterator[Served]:
    with serving(guard, class_names=NAMES) as one:
        yield one


class Gate:
    """A Guard that begins to answer when it is opened."""

    def __init__(self, guard: Guard) -> None:
        self.detector, self._guard = guard.detector, guard
        self.opened, self.reached = threading.Event(), threading.Event()

    def __call__(self, images: Any) -> Any:
        self.reached.set()
        assert self.opened.wait(20)
        return self._guard(images)

    @property
    def watch(self) -> Any:
        return self._guard.watch


@pytest.fixture
def gate(guard) -> Iterator[Gate]:
    one = Gate(guard)
    yield one
    one.opened.set()
