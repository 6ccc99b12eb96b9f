"""Run a function in a confined process: with limited memory, time and files, without network, and without new programs.
`run_confined` starts a process for a single call. `Service` keeps a process running for many requests. This package
knows nothing of images or models. The caller chooses the function that runs inside, and checks the JSON that comes
back.
"""

from __future__ import annotations

from doldrum.sandbox.confine import confinement
from doldrum.sandbox.frames import Request
from doldrum.sandbox.limits import Limits
from doldrum.sandbox.parent import Help, run_confined
from doldrum.sandbox.service import Service
from doldrum.sandbox.shares import memory_share

__all__ = ["Help", "Limits", "Request", "Service", "confinement", "memory_share", "run_confined"]
