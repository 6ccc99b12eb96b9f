"""Check whether a model was opened with the preprocessing that it expects, by trying the usual preprocessings on clean images.

The model is not opened again. No file is read and nothing is changed: the input is a classifier and images, and the output is a table and text.
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
