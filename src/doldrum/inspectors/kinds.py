"""All inspectors by id. A new inspector must be added to this list."""

from doldrum.inspectors.contract.hooks import Inspector
from doldrum.inspectors.inversion.inspector import (
    AdditiveInversion,
    BlendInversion,
    LowFrequencyInversion,
    MaskInversion,
    WarpInversion,
)
from doldrum.inspectors.methods.collapse import Collapse
from doldrum.inspectors.methods.final_layer import FinalLayer
from doldrum.inspectors.methods.label_only import LabelOnly
from doldrum.inspectors.methods.local_dominant import LocalDominant
from doldrum.inspectors.methods.margin import MaximumMargin
from doldrum.inspectors.methods.smoothed_inversion import SmoothedInversion

__all__ = ["DEFAULT", "INSPECTORS"]

INSPECTORS: dict[str, type[Inspector]] = {
    kind.name: kind
    for kind in (
        MaskInversion,
        AdditiveInversion,
        LowFrequencyInversion,
        BlendInversion,
        WarpInversion,
        MaximumMargin,
        FinalLayer,
        LocalDominant,
        Collapse,
        SmoothedInversion,
        LabelOnly,
    )
}
"""All inspectors by id."""

DEFAULT = ("mask", "additive", "low-frequency", "blend", "warp", "label-only")
"""The inspectors that are run by default. If one of these inspectors finds a trigger, it shows this trigger, so
that the trigger can be tested on other images.

The inspectors that are not run by default also react to how a model was trained: a clean model that was trained with
noise stands out. Also, most of the inspectors that are not run by default give no trigger that a reader of the report
can check.
"""
