"""Explanations: find the trigger in a flagged image, and test it on clean images that the search never used.

Only predicted labels are needed. `methods` contains one file per way to take a trigger from images and put it on other
images. `job` contains the code of `doldrum explain`, which works on files from somebody else. `doldrum.detectors` flags
images, and `doldrum.inspectors` examines whole models.
"""

from __future__ import annotations

from doldrum.explanations.explain import explain
from doldrum.records.explanations import Explanation, Explanations

__all__ = ["Explanation", "Explanations", "explain"]
