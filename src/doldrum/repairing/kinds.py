"""Every method by its id: the one list that a new method is added to."""

from doldrum.repairing.contract import RepairMethod
from doldrum.repairing.methods.anp import Anp
from doldrum.repairing.methods.fine_prune import FinePrune
from doldrum.repairing.methods.fine_tune import FineTune
from doldrum.repairing.methods.ft_sam import FtSam
from doldrum.repairing.methods.unlearn import Unlearn

__all__ = ["DEFAULT", "METHODS", "WITHOUT_TRIGGER"]

METHODS: dict[str, type[RepairMethod]] = {kind.name: kind for kind in (FineTune, FinePrune, Unlearn, Anp, FtSam)}
"""Every method by its id."""

DEFAULT = "unlearn"
"""Where a trigger was found: the best of the study `repair` (docs/results/repair.md)."""
WITHOUT_TRIGGER = "fine-prune"
"""Where none was found: the best there of the methods that need none."""
