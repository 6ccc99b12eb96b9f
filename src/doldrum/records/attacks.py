"""Groups of attacks, which studies use to choose methods, and which the pages of studies show separately."""

from __future__ import annotations

__all__ = ["ADAPTIVE", "EVADING", "HELD_OUT"]

HELD_OUT = ("bpp", "issba", "adap-blend", "input-aware")
"""Attacks that were not used to design the profile detector, the verdict on a model, or the proof of a flag."""
ADAPTIVE = ("lsba", "noise-hardened", "anti-smoothing")
"""Attacks that were designed to evade detectors that measure smoothness."""
EVADING = ("profile-evading",)
"""Attacks that were designed to evade SmoothnessProfile. They are newer than the full grids of the studies, which do not
include them."""
