"""Remove a backdoor from a model, and test the result. Read `contract` first.

What belongs here: methods, one per file; what shows how well they did; the command's job (`job`). No trigger is searched here (`inspectors`), and no loop of its own
trains (`training`).
"""

from __future__ import annotations

from doldrum.lazy import extras

with extras():
    from doldrum.repairing.contract import Recovered, RepairMethod, Task
    from doldrum.repairing.kinds import METHODS
    from doldrum.repairing.repair import repair
    from doldrum.repairing.result import Repair

__all__ = ["METHODS", "Recovered", "Repair", "RepairMethod", "Task", "repair"]
