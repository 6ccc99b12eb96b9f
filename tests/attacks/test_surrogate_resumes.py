"""A kill while an attacker trains its own model: the same call goes on from there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from doldrum.attacks import VictimSpec, get_victim, run_attack
from doldrum.attacks.registry import surrogate_beside
from doldrum.data import load_dataset
from doldrum.training import Recipe
from doldrum.training import epochs as steps

QUICK = Recipe(network="mlp", epochs=3, batch_size=256, lr=0.05, threads=1, precision="fp32")


class Killed(Exception):
    pass


@pytest.fixture
def epochs(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Counts epochs; the one after `last` is a kill."""
    count = {"run": 0, "last": 99}
    whole = steps._epoch

    def one(*given: Any, **more: Any) -> Any:
        if count["run"] == count["last"]:
            raise Killed
        count["run"] += 1
        return whole(*given, **more)

    monkeypatch.setattr(steps, "_epoch", one)
    return count


@pytest.mark.parametrize("id", ["trojannn", "label-consistent"])
@pytest.mark.parametrize("last", [2, 3, 5])
def test_a_surrogate_goes_on_and_a_whole_one_is_used_again(
    id: str, last: int, epochs: dict[str, int], tmp_path: Path
) -> None:
    known: dict[str, Any] = {"recipe": QUICK, "rate": 0.05, "settings": {"steps": 2}, "progress": False}
    data, resume = load_dataset("digits:train").take(range(600)), tmp_path / "m.resume"
    want = run_attack(id, data, **known)
    epochs.update(run=0, last=last)
    with pytest.raises(Killed):
        run_attack(id, data, checkpoint=resume, **known)
    assert surrogate_beside(resume).is_file()
    epochs.update(run=0, last=99)
    found = run_attack(id, data, checkpoint=resume, **known)
    assert epochs["run"] == 6 - last  # three of the surrogate's, three of the victim's, none twice
    assert found.model.fingerprint == want.model.fingerprint
    assert found.trigger == want.trigger


def test_a_victim_of_the_cache_goes_on_and_leaves_nothing_else(epochs: dict[str, int], tmp_path: Path) -> None:
    spec = VictimSpec(attack="trojannn", data="digits", recipe=QUICK, rate=0.1, settings={"steps": 2})
    data = load_dataset("digits:train").take(range(600))
    want = get_victim(spec, data, cache=tmp_path / "whole")
    epochs.update(run=0, last=4)
    with pytest.raises(Killed):
        get_victim(spec, data, cache=tmp_path / "cut")
    epochs.update(run=0, last=99)
    found = get_victim(spec, data, cache=tmp_path / "cut")
    assert epochs["run"] == 2
    assert found.model.fingerprint == want.model.fingerprint
    names = [sorted(p.name for p in (tmp_path / f).iterdir()) for f in ("whole", "cut")]
    assert names[0] == names[1] == [f"{spec.key}.{end}" for end in ("json", "lock", "safetensors")]
