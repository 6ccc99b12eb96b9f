"""Lean optimizers: the steps are those of torch's, and torch.compile is not imported."""

from __future__ import annotations

import copy
import sys

import pytest
import torch

from doldrum.training.lean import lean


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "foreach": True}),
        (torch.optim.AdamW, {"foreach": True}),
        (torch.optim.Adam, {}),
    ],
)
def test_the_steps_are_those_of_torch_and_nothing_is_compiled(net, kind, options, monkeypatch) -> None:
    def weights(kind) -> torch.Tensor:
        model = copy.deepcopy(net)
        optimizer = kind(model.parameters(), lr=0.1, weight_decay=0.01, **options)
        for step in range(4):
            model.zero_grad()
            model(torch.full((2, 1, 8, 8), 0.1 * step)).square().sum().backward()
            optimizer.step()
            optimizer.load_state_dict(optimizer.state_dict())
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch._dynamo", None)
        patch.delitem(vars(torch), "_dynamo", raising=False)
        found = weights(lean(kind))
        with pytest.raises(ImportError):
            weights(kind)
    assert torch.equal(found, weights(kind))
