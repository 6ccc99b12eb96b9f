"""Explanations: what in a flagged image is the trigger, shown on clean images that the search never used; from labels alone.

`methods` has the ways to take a trigger out of images and put it on others, one file each; `job` what `doldrum explain` does on somebody else's
files. Which images are flagged is said by `doldrum.detectors`, and what a whole model does is not asked here.
"""

from __future__ import annotations

from doldrum.explanations.explain import explain
from doldrum.records.explanations import Explanation, Explanations

__all__ = ["Explanation", "Explanations", "explain"]
