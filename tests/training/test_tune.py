"""The one loop on a network that there is: what it changes, by which steps, and that it goes on after a kill."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.training import Recipe, TrainingHook
from doldrum.training.state import RunState
from doldrum.training.tune import state_digest, tune

DRAW = np.random.default_rng(0)
DATA = ImageSet(DRAW.random((12, 1, 3, 3)).astype(np.float32), DRAW.integers(0, 3, 12))
WHOLE = Recipe(
    network="as it is", epochs=4, batch_size=12, lr=0.5, momentum=0.0, weight_decay=0.0, schedule="constant", warmup=0.0, precision="fp32",
    threads=1,
)  # fmt: skip


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(9, 3)).eval()


def test_its_steps_are_those_of_plain_gradient_descent() -> None:
    tuned, plain = net(), net()
    history = tune(tuned, DATA, WHOLE, num_classes=3)
    x, y = torch.from_numpy(DATA.images), torch.from_numpy(DATA.labels)
    for _ in range(4):
        plain.zero_grad()
        F.cross_entropy(plain(x), y).backward()
        with torch.no_grad():
            for p in plain.parameters():
                p -= 0.5 * p.grad
    for got, want in zip(tuned.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(got, want)
    assert [one["epoch"] for one in history] == [0, 1, 2, 3]
    assert not tuned.training


def test_what_is_frozen_stays() -> None:
    model = net()
    model[1].weight.requires_grad_(False)
    before = [p.detach().clone() for p in model.parameters()]
    tune(model, DATA, WHOLE, num_classes=3)
    same = [torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)]
    assert same == [True, False]


def test_a_hook_may_change_gradients_before_the_step() -> None:
    class Still(TrainingHook):
        name = "still"

        def on_gradients(self, images: torch.Tensor, labels: torch.Tensor, model: nn.Module) -> None:
            for p in model.parameters():
                p.grad.zero_()

    model = net()
    tune(model, DATA, WHOLE, num_classes=3, hook=Still())
    assert state_digest(model) == state_digest(net())


def test_a_run_that_was_cut_off_ends_with_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(network="as it is", epochs=4, batch_size=5, lr=0.1, precision="fp32", threads=1)
    want, model, save = net(), net(), RunState.save
    tune(want, DATA, recipe, num_classes=3)

    def cut(state: RunState, path: Path) -> None:
        save(state, path)
        if state.epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunState, "save", cut)
    with pytest.raises(KeyboardInterrupt):
        tune(model, DATA, recipe, num_classes=3, checkpoint=tmp_path / "a.resume")
    monkeypatch.undo()
    again = net()
    history = tune(again, DATA, recipe, num_classes=3, checkpoint=tmp_path / "a.resume")
    assert state_digest(again) == state_digest(want) != state_digest(model)
    assert len(history) == 4
    with pytest.raises(InputError, match="the file of another run"):
        tune(want, DATA, recipe, num_classes=3, checkpoint=tmp_path / "a.resume")
