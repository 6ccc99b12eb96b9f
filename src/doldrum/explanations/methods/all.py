"""`METHODS` holds all methods to find a trigger, in the order in which they are tried."""

from __future__ import annotations

from doldrum.explanations.methods.base import Method
from doldrum.explanations.methods.region import Regions
from doldrum.explanations.methods.shared import Shared

__all__ = ["METHODS"]

METHODS: tuple[Method, ...] = (Regions(), Shared())
