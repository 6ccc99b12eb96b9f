"""Settings are checked before any work."""

from __future__ import annotations

import dataclasses

import pytest

from doldrum.audit import AuditSettings
from doldrum.errors import InputError


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"fpr": 0.0}, "fpr="),
        ({"claimed_accuracy": 93}, "claimed_accuracy="),
        ({"mean": (0.5, 0.5)}, "mean="),
        ({"std": (0.0,)}, "std="),
        ({"size": (0, 3)}, "size="),
        ({"outputs": "words"}, "outputs="),
        ({"images": "nowhere"}, "images="),
        ({"model": "nowhere"}, "model file"),
        ({"seed": -1}, "seed="),
        ({"budget": float("inf")}, "budget="),
    ],
)
def test_settings_are_checked_before_any_work(wrong, says):
    good = AuditSettings(model=".", images=".", out="x")
    with pytest.raises(InputError, match=says):
        dataclasses.replace(good, **wrong)
