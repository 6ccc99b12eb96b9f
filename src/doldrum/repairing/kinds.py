"""All repair methods by id. A new repair method must be added to `METHODS`."""

from doldrum.repairing.contract import RepairMethod
from doldrum.repairing.methods.anp import Anp
from doldrum.repairing.methods.fine_prune import FinePrune
from doldrum.repairing.methods.fine_tune import FineTune
from doldrum.repairing.methods.ft_sam import FtSam
from doldrum.repairing.methods.unlearn import Unlearn

__all__ = ["DEFAULT", "METHODS", "WITHOUT_TRIGGER"]

METHODS: dict[str, type[RepairMethod]] = {kind.name: kind for kind in (FineTune, FinePrune, Unlearn, Anp, FtSam)}
"""All repair methods by id."""

DEFAULT = "unlearn"
"""The default method if a trigger was found: the best method in the study `repair` (docs/results/repair.md)."""
WITHOUT_TRIGGER = "fine-prune"
"""The default method if no trigger was found: the best method in the study `repair` that needs no trigger."""
