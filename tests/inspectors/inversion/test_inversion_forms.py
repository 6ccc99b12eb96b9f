"""Each form does in torch what the trigger made of it does in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from doldrum.inspectors.inversion.additive import AnyFrequency, LowFrequency
from doldrum.inspectors.inversion.blend import Blend
from doldrum.inspectors.inversion.form import Form
from doldrum.inspectors.inversion.mask import Mask
from doldrum.inspectors.inversion.warp import Warp
from doldrum.seeds import rng

FORMS = (Mask(), AnyFrequency(), LowFrequency(), Blend(), Warp())


@pytest.mark.parametrize("shape", [(1, 12, 9), (3, 10, 14)], ids=str)
@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.name)
def test_a_form_and_its_trigger_agree(form: Form, shape: tuple[int, int, int]) -> None:
    images = rng(0, "forms").random((4, *shape), dtype=np.float32)
    chance = torch.Generator().manual_seed(1)
    parts = [3 * p for p in form.start(3, shape, chance)]  # far from the weak trigger at the start
    batch = torch.from_numpy(images).expand(3, 4, *shape)
    with torch.no_grad():
        out = form.apply(parts, batch).numpy()
    assert out.min() >= 0
    assert out.max() <= 1
    for r in range(3):
        trigger = form.trigger([p[r : r + 1] for p in parts], shape)
        np.testing.assert_allclose(out[r], trigger(images), atol=2e-4)
        assert np.abs(out[r] - images).max() > 0.005


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.name)
def test_a_size_is_that_of_its_own_route(form: Form) -> None:
    shape = (1, 9, 9)
    parts = form.start(4, shape, torch.Generator().manual_seed(0))
    sizes = form.size(parts, shape)
    assert sizes.shape == (4,)
    assert (sizes > 0).all()
    for r in range(4):
        assert form.size([p[r : r + 1] for p in parts], shape).item() == pytest.approx(sizes[r].item())


def test_sizes_by_hand() -> None:
    shape = (1, 2, 2)
    zero = torch.zeros((1, 1, 2, 2))
    assert Mask().size([zero, zero], shape).item() == pytest.approx(2.0)  # four pixels, each half covered
    assert AnyFrequency().size([torch.full((1, 1, 2, 2), 0.5)], shape).item() == pytest.approx(1.0)
    assert Blend().size([torch.zeros(1), zero], shape).item() == pytest.approx(0.5)
    shift = torch.zeros((1, 2, 5, 5))
    shift[:, 0], shift[:, 1] = 3.0, 4.0
    assert Warp().size([shift], (1, 28, 28)).item() == pytest.approx(5.0, rel=1e-3)
