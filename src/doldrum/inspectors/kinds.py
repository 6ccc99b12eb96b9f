"""Every inspector by its id: the one list that a new inspector is added to."""

from doldrum.inspectors.contract.hooks import Inspector
from doldrum.inspectors.inversion.inspector import (
    AdditiveInversion,
    BlendInversion,
    LowFrequencyInversion,
    MaskInversion,
    WarpInversion,
)

__all__ = ["INSPECTORS"]

INSPECTORS: dict[str, type[Inspector]] = {
    kind.name: kind for kind in (MaskInversion, AdditiveInversion, LowFrequencyInversion, BlendInversion, WarpInversion)
}
"""Every inspector by its id."""
