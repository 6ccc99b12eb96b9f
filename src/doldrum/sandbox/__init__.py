"""Work on hostile files in a confined process: bounded memory, time and files, no network, no new programs."""

from __future__ import annotations

from doldrum.sandbox.confine import confinement
from doldrum.sandbox.limits import Limits
from doldrum.sandbox.parent import run_confined

__all__ = ["Limits", "confinement", "run_confined"]
