from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import doldrum as dd
from doldrum.measuring.tiles import make_tiles, plan_tiles


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(1, 5), st.integers(1, 40), st.integers(1, 50), st.integers(1, 7), st.booleans())
def test_every_row_of_every_input_is_in_exactly_one_tile(conditions, draws, target, inputs, shared) -> None:
    plan = plan_tiles(conditions, draws, target=target).shared(shared)
    assert plan.rows <= max(target, 1)
    probe = dd.probes.Gaussian([0.1 * (c + 1) for c in range(conditions)], draws=draws)
    shape = (1, 1, 2)
    images = np.random.default_rng(0).random((inputs, *shape), dtype=np.float32)
    bound = probe.bind(shape)
    seen = np.full((inputs, plan.pairs, *shape), np.nan, np.float32)
    for (first, count, start, stop), fill in make_tiles(plan, images, bound):
        buffer = np.full((plan.rows, *shape), np.nan, np.float32)
        fill(buffer)
        assert np.isfinite(buffer).all()
        block = buffer[: count * (stop - start)].reshape(count, stop - start, *shape)
        assert np.isnan(seen[first : first + count, start:stop]).all()
        seen[first : first + count, start:stop] = block
    assert np.isfinite(seen).all()
    assert np.array_equal(seen[:, 0], images)
    out = np.empty((draws, *shape), np.float32)
    for i, image in enumerate(images):
        for c in range(conditions):
            bound.fill(image, c, 0, draws, out)
            assert np.array_equal(seen[i, 1 + c * draws : 1 + (c + 1) * draws], out)
