"""The class that flags gather in, against a plain calculation and by chance."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from doldrum.audit.counts import concentration


def tail(total, size, flags, held):
    """P(at least `held` of `flags` drawn without replacement lie among `size` of `total`), term by term."""
    return sum(comb(size, k) * comb(total - size, flags - k) for k in range(held, min(size, flags) + 1)) / comb(
        total, flags
    )


def test_concentration_is_the_hypergeometric_tail_times_the_classes():
    rng = np.random.default_rng(0)
    for _ in range(20):
        labels = rng.integers(-1, 4, 60)
        flags = rng.random(60) < 0.2
        found = concentration(labels, flags)
        plain = {
            int(c): 5 * tail(60, int((labels == c).sum()), int(flags.sum()), int((flags & (labels == c)).sum()))
            for c in range(-1, 4)
        }
        assert found["p_value"] == pytest.approx(min(1.0, min(plain.values())), rel=1e-9)
        if found["p_value"] < 1:
            assert plain[found["label"]] == pytest.approx(found["p_value"], rel=1e-9)
        assert found["flagged"] == (flags & (labels == found["label"])).sum()
    assert concentration(labels, np.zeros(60, dtype=bool)) is None


def test_concentration_by_chance_is_rare():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 10, 500)
    p = [concentration(labels, rng.permutation(500) < 30)["p_value"] for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) < 0.08
