"""Which clean images fit and which calibrate."""

from __future__ import annotations

import pytest

from doldrum.audit.work import split_clean
from doldrum.errors import InputError


@pytest.mark.parametrize(
    ("count", "fpr"), [(149, 0.01), (200, 0.01), (1500, 0.01), (60_000, 0.01), (2_000, 0.001), (70, 0.05)]
)
def test_clean_images_are_split_without_overlap(count, fpr):
    fit, calibration = split_clean(count, fpr, 0)
    assert not set(fit) & set(calibration)
    assert len(fit) >= 50
    assert (len(calibration) + 1) * fpr >= 1 - 1e-9
    assert max(*fit, *calibration) < count
    with pytest.raises(InputError, match="clean images"):
        split_clean(50 + int(1 / fpr) - 2, fpr, 0)
