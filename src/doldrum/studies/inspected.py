"""How studies inspect models: alike in all cells, since a model and its references have to be read alike."""

from __future__ import annotations

__all__ = ["INVERSIONS", "REFERENCES", "SEED"]

REFERENCES = 300
"""Clean models of this seed and above are references."""
SEED = 0
"""Of every inspection, and of the order of the test images: the first are inspected with."""
INVERSIONS = ("mask", "additive", "low-frequency", "blend", "warp")
