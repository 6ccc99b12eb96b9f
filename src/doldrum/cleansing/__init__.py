"""Cleansing: finds the samples to drop from a training set, with the model that was trained on it.

`methods` judges a training set in memory, and `job` works on files from somebody else. Detectors for new images are not
in this package.
"""

from __future__ import annotations

from doldrum.cleansing.methods.base import Verdict
from doldrum.cleansing.methods.cleanse import METHODS, Cleansing, cleanse

__all__ = ["METHODS", "Cleansing", "Verdict", "cleanse"]
