"""Frequency: triggers leave traces in the DCT (discrete cosine transform) that natural images lack."""

# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter

from doldrum.checks import is_array, is_number
from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet, to_float
from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.contract.evidence import Evidence
from doldrum.errors import InputError
from doldrum.probes import Probe
from doldrum.seeds import rng

__all__ = ["Frequency", "synthetic_triggers"]

_FLOOR = 1e-4
_FEWEST = 20


def synthetic_triggers(images: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Put one of five artificial triggers, chosen and placed at random, on each image (N, C, H, W).

    The triggers are a white square, a square of coloured noise, a blend with another of the images, Gaussian noise over
    the image, and a soft dark shadow. All returned pixels are in [0, 1].

    Source: Zeng et al. 2021, arXiv 2104.03413 (random white block, random coloured block, random noise, random
    shadow, another image blended in).
    """
    out = np.array(images, dtype=np.float32)
    n, channels, height, width = (int(size) for size in out.shape)
    draw = rng(seed, "synthetic triggers")
    for i in range(n):
        side = int(draw.integers(max(1, min(height, width) // 10), max(2, min(height, width) // 4) + 1))
        y, x = int(draw.integers(height - side + 1)), int(draw.integers(width - side + 1))
        kind = int(draw.integers(5))
        if kind == 0:
            out[i, :, y : y + side, x : x + side] = 1
        elif kind == 1:
            out[i, :, y : y + side, x : x + side] = draw.random((channels, side, side))
        elif kind == 2:
            out[i] = 0.8 * out[i] + 0.2 * images[int(draw.integers(n))]
        elif kind == 3:
            out[i] += draw.uniform(0.02, 0.15) * draw.standard_normal((channels, height, width))
        else:
            mask: NDArray[np.float64] = gaussian_filter(
                (draw.random((height, width)) < 0.5).astype(float), sigma=max(1, side / 2)
            )
            out[i] *= 1 - 0.5 * (mask > np.median(mask))
    return np.clip(out, 0, 1)


class Frequency(Detector):
    """Score: log odds of "triggered" by a ridge classifier on the log of the DCT's magnitudes.

    The score uses only the image. The model under test is needed only to predict the input's label, with 1 forward pass
    per input. The ridge classifier is trained to distinguish the images of `fit` from copies of these images with
    artificial triggers (`synthetic_triggers`). The detector does not find low-frequency triggers (blended, WaNet, LF).

    The features are log(1e-4 + |DCT-II|) of each channel (orthonormal), standardised on the clean images. The paper
    trains a small CNN on these features. This detector uses a linear discriminant with a ridge penalty, which has a
    single solution and is saved as arrays.

    Parameters
    ----------
    ridge : float
        Penalty on the weights, above 0. The penalty is this number times the number of training images.
    seed : int, optional

    Source: Zeng et al. 2021, arXiv 2104.03413.
    """

    name = "frequency"
    paper = "Zeng et al. 2021, arXiv 2104.03413"
    learned: ClassVar[tuple[str, ...]] = ("center_", "scale_", "weights_", "bias_")

    def __init__(self, *, ridge: float = 0.1, seed: int | None = None) -> None:
        super().__init__(seed=seed)
        if not is_number(ridge) or not ridge > 0:
            raise InputError(f"expected a ridge above 0, got {ridge!r}; e.g. 0.1")
        self.ridge = float(ridge)
        self.center_ = self.scale_ = np.zeros(0)
        self.weights_: NDArray[np.float64] = np.zeros(0)
        self.bias_ = 0.0

    def probes(self) -> Mapping[str, Probe]:
        return {}

    @property
    def fewest(self) -> int:
        return _FEWEST

    def prepare(self, classifier: Classifier, clean: ImageSet) -> None:
        images = to_float(clean.images)
        if len(images) < _FEWEST:
            raise InputError(
                f"expected at least {_FEWEST} clean images for fit, got {len(images)} images; give more clean images"
            )
        good, bad = _features(images), _features(synthetic_triggers(images, self.probe_seed("triggers")))
        self.center_, self.scale_ = good.mean(axis=0), good.std(axis=0) + 1e-3
        x = (np.concatenate([good, bad]) - self.center_) / self.scale_
        y = np.r_[-np.ones(len(good)), np.ones(len(bad))]
        mean = x.mean(axis=0)
        centred = x - mean
        gram = centred.T @ centred / len(x)
        gram[np.diag_indices_from(gram)] += self.ridge
        self.weights_ = np.asarray(np.linalg.solve(gram, centred.T @ y / len(x)), dtype=np.float64)
        self.bias_ = float(-mean @ self.weights_)

    def check_learned(self, input_shape: tuple[int, int, int], num_classes: int) -> None:
        for name in ("center_", "scale_", "weights_"):
            value = getattr(self, name)
            if not is_array(value) or value.shape != (int(np.prod(input_shape)),) or np.isnan(value).any():
                raise InputError(
                    f"expected {np.prod(input_shape)} numbers without NaN in {name}, got an array of another shape or with NaN; fit again"
                )
        if not (self.scale_ > 0).all() or not isinstance(self.bias_, float):
            raise InputError(
                "expected scales above 0 and a bias, got a scale that is not above 0, or no bias; fit again"
            )

    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        # One image at a time: a matrix product may round differently with the number of rows.
        x = (_features(evidence.images) - self.center_) / self.scale_
        return (x * self.weights_).sum(axis=1) + self.bias_


def _features(images: NDArray[np.float32]) -> NDArray[np.float64]:
    spectrum: Any = dctn(images.astype(np.float64), axes=(2, 3), norm="ortho")
    return np.log(_FLOOR + np.abs(spectrum)).reshape(len(images), -1)
