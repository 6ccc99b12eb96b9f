"""Cleansing: which samples of a training set to drop, by the model that was trained on it.

What is said of a set in memory is in `methods`, the job on somebody else's files in `job`; what detectors say of new images is not here.
"""

from __future__ import annotations

from doldrum.cleansing.methods.base import Verdict
from doldrum.cleansing.methods.cleanse import METHODS, Cleansing, cleanse

__all__ = ["METHODS", "Cleansing", "Verdict", "cleanse"]
