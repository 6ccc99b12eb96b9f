"""Run a function in a confined process: bounded memory, time and files, no network, no new programs. `run_confined` for one call, `Service` for a process that stays.

Nothing that knows images or models: what runs inside is the caller's, and what comes back is JSON that the caller checks.
"""

from __future__ import annotations

from doldrum.sandbox.confine import confinement
from doldrum.sandbox.frames import Request
from doldrum.sandbox.limits import Limits
from doldrum.sandbox.parent import Help, run_confined
from doldrum.sandbox.service import Service
from doldrum.sandbox.shares import memory_share

__all__ = ["Help", "Limits", "Request", "Service", "confinement", "memory_share", "run_confined"]
