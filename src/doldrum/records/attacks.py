"""Groups of attacks that studies choose by, and that their pages show apart."""

from __future__ import annotations

__all__ = ["ADAPTIVE", "HELD_OUT"]

HELD_OUT = ("bpp", "issba", "adap-blend", "input-aware")
"""Attacks that no choice was made on: of the profile's design, the verdict on a model, and what proves a flag."""
ADAPTIVE = ("lsba", "noise-hardened", "anti-smoothing")
"""Attacks made to evade smoothness."""
