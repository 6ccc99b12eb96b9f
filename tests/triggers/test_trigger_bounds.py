"""Every numeric setting of every trigger and attack, huge, negative and odd: an InputError, and at once."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from trigger_specimens import SPECIMENS

from doldrum.attacks import ATTACKS, make_attack
from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.triggers import AdaptiveBlend, FTrojan, LowFrequency, NoisyCover, Patch, Trigger, Warp

ODD = [0, -1, 1, 2, 7, 1e9, -1e9, 10**400, -(10**400), 1e-300, 1e300, math.inf, math.nan, 2.5]
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16), dtype=np.uint8)
DATA = ImageSet(np.tile(IMAGES, (8, 1, 1, 1)), labels=np.arange(24) % 3)


def numeric(trigger: Trigger) -> list[str]:
    kinds = ("int", "float", "tuple[int, ...]", "tuple[float, ...]")
    return [f.name for f in dataclasses.fields(trigger) if f.type in kinds]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(SPECIMENS))
def test_a_trigger_of_odd_settings_works_or_is_refused_and_takes_no_time(name: str) -> None:
    trigger: Any = SPECIMENS[name]
    for setting in numeric(trigger):
        several = isinstance(getattr(trigger, setting), tuple)
        for odd in ODD:
            began, said = time.process_time(), "expected"
            try:
                made = dataclasses.replace(trigger, **{setting: (odd,) if several else odd})
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    for form in (made.in_training, made.as_cover):
                        out = form(IMAGES, seed=0, rows=[0, 1, 2])
                        assert np.isfinite(out).all()
                    assert made(IMAGES).shape == IMAGES.shape
            except InputError as error:
                said = str(error)
            assert "expected" in said, (setting, odd)
            assert len(said) < 1000, (setting, odd)
            assert time.process_time() - began < 2, (setting, odd)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Warp(k=1e9), lambda: Warp(k=10**6), lambda: Warp(s=1e9), lambda: Warp(k=64)(IMAGES),  # type: ignore[arg-type]
        lambda: LowFrequency(cutoff=1e9), lambda: LowFrequency(cutoff=1), lambda: FTrojan(magnitude=1e9),  # type: ignore[arg-type]
        lambda: FTrojan(block=10**9), lambda: FTrojan(positions=(3, 3)), lambda: FTrojan(positions=(3.5,)),  # type: ignore[arg-type]
        lambda: AdaptiveBlend(pieces=10**6),
        lambda: AdaptiveBlend(pieces=32).in_training(IMAGES, seed=0, rows=[0, 1, 2]),
        lambda: NoisyCover(trigger=Patch(), sigmas=(1e9,)),
    ],
)  # fmt: skip
def test_settings_that_would_take_memory_or_make_no_sense(make: Any) -> None:
    with pytest.raises(InputError, match="expected"):
        make()


@pytest.mark.parametrize("id", ATTACKS)
def test_an_attack_of_odd_settings_fails_before_anything_is_trained(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Trained(Exception):
        pass

    def train(*_: Any, **__: Any) -> None:
        raise Trained

    monkeypatch.setattr("doldrum.training.train", train)
    quick = {"issba": {"steps": 1}, "input-aware": {"mask_steps": 1}, "lf": {"optimised": True}}.get(id, {})
    for name, default in ATTACKS[id].settings.items():
        if isinstance(default, (bool, str)):
            continue
        for odd in ODD:
            given = {**quick, name: (odd,) if isinstance(default, tuple) else odd}
            try:
                make_attack(id, DATA, rate=0.1, settings=given)
            except (InputError, Trained):
                continue


@pytest.mark.parametrize(
    ("id", "settings", "why"),
    [
        ("label-consistent", {"eps": 5}, "eps"),
        ("label-consistent", {"steps": 0}, "steps"),
        ("trojannn", {"size": 99}, "pixels"),
        ("trojannn", {"size": 0}, "size"),
        ("trojannn", {"neurons": 0}, "neurons"),
        ("lf", {"optimised": True, "amplitude": 2.0}, "amplitude"),
        ("tact", {"cover_classes": 5}, "cover_classes"),
        ("tact", {"cover_classes": "ab"}, "cover_classes"),
        ("wanet", {"noise_ratio": 50.0}, "noise_ratio"),
        ("wanet", {"noise_ratio": -1.0}, "noise_ratio"),
        ("lsba", {"target_probability": 1.5}, "target_probability"),
        ("issba", {"bits": 10**9}, "bits"),
        ("input-aware", {"diversity": -1.0}, "diversity"),
        ("noise-hardened", {"sigmas": (1e9,)}, "sigmas"),
    ],
)
def test_a_wrong_setting_is_named_before_a_surrogate_is_trained(
    id: str, settings: dict[str, Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("doldrum.training.train", lambda *_, **__: pytest.fail("trained"))
    with pytest.raises(InputError, match=why):
        make_attack(id, DATA, rate=0.1, settings=settings)
