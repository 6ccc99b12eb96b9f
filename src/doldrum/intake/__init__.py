"""Read images and text from files of other people, without trusting any byte, name or size in them.

Nothing is unpacked to disk, and no link is followed. There is one module per format. Models are read in `suspects`, and
data sets in `data`.
"""

from __future__ import annotations

from doldrum.intake.base import ImageLimits, Picture, Skipped
from doldrum.intake.collect import CollectedImages, as_array
from doldrum.intake.decode import FORMATS, decode_image, fit_image, fitting_note, image_pixels
from doldrum.intake.source import ImageSource, open_images
from doldrum.intake.text import csv_safe, visible

__all__ = [
    "FORMATS",
    "CollectedImages",
    "ImageLimits",
    "ImageSource",
    "Picture",
    "Skipped",
    "as_array",
    "csv_safe",
    "decode_image",
    "fit_image",
    "fitting_note",
    "image_pixels",
    "open_images",
    "visible",
]
