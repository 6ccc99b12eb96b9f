"""Files that somebody else made: opened without trusting a byte, a name or a size in them."""

from __future__ import annotations

from doldrum.intake.base import ImageLimits, Picture, Skipped
from doldrum.intake.decode import FORMATS, decode_image, fit_image, image_pixels
from doldrum.intake.text import csv_safe, visible

__all__ = [
    "FORMATS",
    "ImageLimits",
    "Picture",
    "Skipped",
    "csv_safe",
    "decode_image",
    "fit_image",
    "image_pixels",
    "visible",
]
