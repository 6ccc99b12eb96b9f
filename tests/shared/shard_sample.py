"""A classifier, a calibrated detector, and images to put into WebDataset shards."""

from __future__ import annotations

import io
import tarfile
import time

import numpy as np
from PIL import Image

import doldrum as dd
from doldrum.data import ImageSet
from doldrum.detectors import Detector, W

__all__ = ["NEW", "calibrated", "tar_of"]

_WEIGHTS = np.random.default_rng(5).normal(size=(64, 4))
POOL = ImageSet(np.random.default_rng(1).integers(0, 255, (330, 1, 8, 8), dtype=np.uint8))
FIT, CLEAN, NEW = POOL.take(range(60)), POOL.take(range(60, 200)), POOL.take(range(200, 330))


def answer(x: np.ndarray) -> np.ndarray:
    return np.round((x.reshape(len(x), 64).astype(float) - 0.5) @ _WEIGHTS, 3)


def slow_answer(x: np.ndarray) -> np.ndarray:
    time.sleep(0.05)  # long enough to be killed at
    return answer(x)


def calibrated(*, slow: bool = False) -> Detector:
    made = W(strength=0.2, draws=3, seed=1)
    made.batch_size = 25
    model = dd.as_classifier(slow_answer if slow else answer, input_shape=(1, 8, 8), num_classes=4)
    return made.fit(model, FIT).calibrate(CLEAN, fpr=0.05)


def tar_of(images: np.ndarray, first: int = 0) -> bytes:
    """A WebDataset shard: 000007.png and its class."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for i, image in enumerate(images):
            png = io.BytesIO()
            Image.fromarray(image[0]).save(png, "PNG")
            for suffix, data in (("png", png.getvalue()), ("cls", b"3")):
                info = tarfile.TarInfo(f"{first + i:06d}.{suffix}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
