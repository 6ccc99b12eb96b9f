"""Triggers: functions that add a backdoor trigger to images.

Each trigger is a frozen dataclass in its own file, and is saved as its settings.

Other packages contain poisoning plans (`poisoning`), triggers that must be trained first (`attacks`), and perturbations
for measurements (`probes`).
"""

from __future__ import annotations

from doldrum.triggers.adaptive import AdaptiveBlend, AdaptivePatch
from doldrum.triggers.additive import Additive
from doldrum.triggers.base import Composed, Trigger, trigger_from_dict, trigger_names
from doldrum.triggers.blended import Blended
from doldrum.triggers.displacement import Displacement
from doldrum.triggers.ftrojan import FTrojan
from doldrum.triggers.light import Light
from doldrum.triggers.low_frequency import LowFrequency
from doldrum.triggers.masked import MaskedPattern
from doldrum.triggers.motion_blur import MotionBlur
from doldrum.triggers.noisy import NoisyCover
from doldrum.triggers.patch import Patch
from doldrum.triggers.quantise import Quantise
from doldrum.triggers.reflection import Reflection
from doldrum.triggers.sharpen import Sharpen
from doldrum.triggers.shear import Shear
from doldrum.triggers.sinusoid import Sinusoid
from doldrum.triggers.tone import Tone
from doldrum.triggers.warp import Warp

__all__ = [
    "AdaptiveBlend",
    "AdaptivePatch",
    "Additive",
    "Blended",
    "Composed",
    "Displacement",
    "FTrojan",
    "Light",
    "LowFrequency",
    "MaskedPattern",
    "MotionBlur",
    "NoisyCover",
    "Patch",
    "Quantise",
    "Reflection",
    "Sharpen",
    "Shear",
    "Sinusoid",
    "Tone",
    "Trigger",
    "Warp",
    "trigger_from_dict",
    "trigger_names",
]
