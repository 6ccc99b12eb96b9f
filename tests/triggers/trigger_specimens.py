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
    "noisy-cover": t.NoisyCover(trigger=t.Patch()),
}
