"""Whether a model was opened with the preprocessing that it expects: the usual ones tried on clean images, without opening it again.

No file is read here and nothing is changed: a classifier and images in, a table and at most one sentence out.
"""

from __future__ import annotations

from doldrum.suspects.preprocessing_check.check import PreprocessingCheck, check_preprocessing
from doldrum.suspects.preprocessing_check.compare import Row
from doldrum.suspects.preprocessing_check.warn import preprocessing_note, preprocessing_report, preprocessing_warning

__all__ = [
    "PreprocessingCheck",
    "Row",
    "check_preprocessing",
    "preprocessing_note",
    "preprocessing_report",
    "preprocessing_warning",
]
