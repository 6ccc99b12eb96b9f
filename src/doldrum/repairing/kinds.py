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
"""What the study `repair` shows best where a trigger was found."""
WITHOUT_TRIGGER = "fine-prune"
"""What it shows best where none was."""
