"""The table of specimens: every trigger that the shared contract is run over."""

from __future__ import annotations

import doldrum.triggers as t

SPECIMENS = {
    "patch": t.Patch(size=3),
    "patch checker": t.Patch(size=2, corner="upper left", pattern="checker", margin=1),
    "composed": t.Patch(size=1, corner="upper left") | t.Patch(size=2),
    "blended": t.Blended(),
    "sinusoid": t.Sinusoid(frequency=3),
    "warp": t.Warp(),
    "quantise": t.Quantise(),
    "low-frequency": t.LowFrequency(),
    "ftrojan": t.FTrojan(),
    "adaptive-blend": t.AdaptiveBlend(),
    "adaptive-patch": t.AdaptivePatch(),
    "tone": t.Tone(),
    "tone darker": t.Tone(amount=1.5),
    "motion-blur": t.MotionBlur(),
    "light": t.Light(),
    "light warm": t.Light(cast=0.2),
    "reflection": t.Reflection(),
    "shear": t.Shear(),
    "sharpen": t.Sharpen(),
    "noisy-cover": t.NoisyCover(trigger=t.Patch()),
}
