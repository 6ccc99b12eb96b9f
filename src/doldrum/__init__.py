"""doldrum: measure the smoothness of a classifier around its inputs, and find backdoor triggers by it."""

from __future__ import annotations

__version__ = "0.1.0"
