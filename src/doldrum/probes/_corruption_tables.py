"""The settings of each common corruption at severities 1 to 5, from Hendrycks and Dietterich, arXiv 1903.12261, and their code.

- For gaussian-noise, the setting is the scale of the noise.
- For shot-noise, the setting is the number of photons per pixel.
- For impulse-noise, the setting is the share of changed pixels.
- For defocus-blur, the setting is the radius of the blur and the softness of its edge.
- For glass-blur, the setting is the strength of the blur, the reach of the swaps and the number of rounds.
- For motion-blur, the setting is the radius and the sigma of the blur.
- For zoom-blur, the setting is the first zoom factor, the last zoom factor and the step.
- For snow, the setting is (mean, scale, zoom, threshold, radius, sigma, weight of the image).
- For fog, the setting is the thickness and the decay of the fog.
- For brightness, the setting is the amount that is added to the image.
- For contrast, the setting is the factor that reduces the contrast.
- For elastic-transform, the setting is (reach, smoothness, affine), in units of the image's side.
- For pixelate, the setting is the size of the reduced image, as a share of the image's side.
- For jpeg-compression, the setting is the JPEG quality.
"""

from __future__ import annotations

from typing import Any

__all__ = ["TABLES"]

TABLES: dict[str, dict[str, list[Any]]] = {
    "imagenet-c": {
        "gaussian-noise": [0.08, 0.12, 0.18, 0.26, 0.38],
        "shot-noise": [60, 25, 12, 5, 3],
        "impulse-noise": [0.03, 0.06, 0.09, 0.17, 0.27],
        "defocus-blur": [(3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)],
        "glass-blur": [(0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)],
        "motion-blur": [(10, 3), (15, 5), (15, 8), (15, 12), (20, 15)],
        "zoom-blur": [(1, 1.11, 0.01), (1, 1.16, 0.01), (1, 1.21, 0.02), (1, 1.26, 0.02), (1, 1.31, 0.03)],
        "snow": [
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7), (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65), (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ],
        "fog": [(1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)],
        "brightness": [0.1, 0.2, 0.3, 0.4, 0.5],
        "contrast": [0.4, 0.3, 0.2, 0.1, 0.05],
        # As in Michaelis et al. 2019 (arXiv 1907.07484), whose code takes images of any size; grows with severity.
        "elastic-transform": [
            (0.0625, 0.01, 0), (0.08125, 0.01, 0), (0.10625, 0.01, 0), (0.125, 0.01, 0), (0.15, 0.01, 0),
        ],
        "pixelate": [0.6, 0.5, 0.4, 0.3, 0.25],
        "jpeg-compression": [25, 18, 15, 10, 7],
    },
    "cifar-10-c": {
        "gaussian-noise": [0.04, 0.06, 0.08, 0.09, 0.10],
        "shot-noise": [500, 250, 100, 75, 50],
        "impulse-noise": [0.01, 0.02, 0.03, 0.05, 0.07],
        "defocus-blur": [(0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)],
        "glass-blur": [(0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)],
        "motion-blur": [(6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)],
        "zoom-blur": [(1, 1.06, 0.01), (1, 1.11, 0.01), (1, 1.16, 0.01), (1, 1.21, 0.01), (1, 1.26, 0.01)],
        "snow": [
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95), (0.1, 0.2, 1, 0.5, 10, 4, 0.9), (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85), (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ],
        "fog": [(0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)],
        "brightness": [0.05, 0.1, 0.15, 0.2, 0.3],
        "contrast": [0.75, 0.5, 0.4, 0.3, 0.15],
        "elastic-transform": [(0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)],
        "pixelate": [0.95, 0.9, 0.85, 0.75, 0.65],
        "jpeg-compression": [80, 65, 58, 50, 40],
    },
}  # fmt: skip
