"""Groups of attacks, which studies use to choose methods, and which the pages of studies show separately."""

from __future__ import annotations

__all__ = ["ADAPTIVE", "EVADING", "HELD_OUT", "IMAGE_WIDE", "IMAGE_WIDE_HELD_OUT", "KEPT_OUT", "NEWER"]

HELD_OUT = ("bpp", "issba", "adap-blend", "input-aware")
"""Attacks that were not used to design the profile detector, the verdict on a model, or the proof of a flag."""
ADAPTIVE = ("lsba", "noise-hardened", "anti-smoothing")
"""Attacks that were designed to evade detectors that measure smoothness."""
IMAGE_WIDE = ("tone", "motion-blur", "light")
"""Development attacks whose trigger changes the whole image, in a way that depends on the image."""
IMAGE_WIDE_HELD_OUT = ("reflection", "shear", "sharpen")
"""Attacks of the same kind as IMAGE_WIDE. No detector may be designed with them."""
KEPT_OUT = (*HELD_OUT, *IMAGE_WIDE_HELD_OUT)
"""All attacks that are held out."""
EVADING = ("profile-evading",)
"""Attacks that were designed to evade SmoothnessProfile."""
NEWER = (*IMAGE_WIDE, *IMAGE_WIDE_HELD_OUT, *EVADING)
"""Attacks that are newer than the full grids of the studies and the tables of attacks, which do not include them."""
