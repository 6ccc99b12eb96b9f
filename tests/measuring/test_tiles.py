from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

import doldrum as dd
from doldrum.engines.base import DeviceFill
from doldrum.measuring.battery import Battery
from doldrum.measuring.tiles import make_tiles, plan_tiles


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 20)), max_size=3),
    st.integers(1, 50),
    st.integers(1, 7),
    st.booleans(),
)
def test_every_row_of_every_input_is_in_exactly_one_tile(families, target, inputs, shared) -> None:
    shape = (1, 1, 2)
    probes = {
        str(n): dd.probes.Gaussian([0.1 * (c + 1) for c in range(conditions)], draws=draws, seed=n)
        for n, (conditions, draws) in enumerate(families)
    }
    battery = Battery(probes, shape)
    plan = plan_tiles(battery.image_rows, target=target).shared(shared)
    assert plan.pairs == battery.rows == 1 + sum(c * n for c, n in families)
    assert plan.rows <= max(target, 1)
    images = np.random.default_rng(0).random((inputs, *shape), dtype=np.float32)
    seen = np.full((inputs, plan.pairs, *shape), np.nan, np.float32)
    for (first, count, start, stop), fill in make_tiles(plan, images, battery):
        buffer = np.full((plan.rows, *shape), np.nan, np.float32)
        fill(buffer)
        assert np.isfinite(buffer).all()
        assert isinstance(fill, DeviceFill)
        there = torch.full((plan.rows, *shape), torch.nan)
        fill.on(there)
        assert np.array_equal(there.numpy(), buffer)
        block = buffer[: count * (stop - start)].reshape(count, stop - start, *shape)
        assert np.isnan(seen[first : first + count, start:stop]).all()
        seen[first : first + count, start:stop] = block
    assert np.isfinite(seen).all()
    assert np.array_equal(seen[:, 0], images)
    for i, image in enumerate(images):
        rows = iter(seen[i, 1:])
        for name, probe in probes.items():
            out = np.empty((probe.draws, *shape), np.float32)
            for c in range(len(probe.strengths)):
                probe.bind(shape).fill(image, c, 0, probe.draws, out)
                assert all(np.array_equal(next(rows), row) for row in out), name
