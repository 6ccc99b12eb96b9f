"""Triggers: images -> images, one a file."""

from __future__ import annotations

from doldrum.triggers.base import Composed, Trigger, trigger_from_dict, trigger_names
from doldrum.triggers.patch import Patch

__all__ = ["Composed", "Patch", "Trigger", "trigger_from_dict", "trigger_names"]
