"""Remove a backdoor from a model, and test the result. Read `contract` first.

The package contains the repair methods (one per file), the tests of a repaired model, and the command's job (`job`).
`inspectors` searches for triggers, and `training` contains the training loop.
"""

from __future__ import annotations

from doldrum.lazy import extras

with extras():
    from doldrum.repairing.contract import Recovered, RepairMethod, Task
    from doldrum.repairing.kinds import METHODS
    from doldrum.repairing.repair import repair
    from doldrum.repairing.result import Repair

__all__ = ["METHODS", "Recovered", "Repair", "RepairMethod", "Task", "repair"]
