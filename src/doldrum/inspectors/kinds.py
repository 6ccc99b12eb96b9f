"""Every inspector by its id: the one list that a new inspector is added to."""

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
"""Every inspector by its id."""

DEFAULT = ("mask", "additive", "low-frequency", "blend", "warp", "label-only")
"""Those that the verdict is made of: each shows a trigger, which can be tested. The others also see how a model was trained (noise in training makes a
clean model stand out to them), and show nothing that a reader can check."""
