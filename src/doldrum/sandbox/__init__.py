"""A function in a process of its own with bounded memory, time and files, no network and no new programs: `run_confined`.

Nothing that knows images or models: what runs inside is the caller's, and what comes back is JSON that the caller checks.
"""

from __future__ import annotations

from doldrum.sandbox.confine import confinement
from doldrum.sandbox.limits import Limits
from doldrum.sandbox.parent import run_confined

__all__ = ["Limits", "confinement", "run_confined"]
