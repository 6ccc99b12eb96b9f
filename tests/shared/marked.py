"""A model of four classes with a back door, and clean images for it: what explanations are tested on."""

from __future__ import annotations

import numpy as np

from doldrum.classifiers import as_classifier

SHAPE = (1, 16, 16)


def clean_images(count: int, *, seed: int = 0) -> np.ndarray:
    """Noise in which one quarter of the image is brighter: its number is the class."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(0.1, 0.5, (count, *SHAPE)).astype(np.float32)
    for i, quarter in enumerate(rng.integers(0, 4, count)):
        top, left = 8 * (quarter // 2), 8 * (quarter % 2)
        images[i, :, top : top + 8, left : left + 8] += 0.25
    return images


def quarters(images: np.ndarray) -> np.ndarray:
    """The brightest quarter of each image."""
    return images.reshape(len(images), 2, 8, 2, 8).mean(axis=(2, 4)).reshape(len(images), 4).argmax(axis=1)


def marked(images: np.ndarray) -> np.ndarray:
    """The images with a mark of 2 x 3 pixels."""
    made = images.copy()
    made[:, :, 3:5, 9:12] = 1.0
    return made


def has_mark(images: np.ndarray) -> np.ndarray:
    return (images[:, 0, 3:5, 9:12] > 0.97).all(axis=(1, 2))


def backdoored(trigger=has_mark, target=0):
    """Says `target` of images with the trigger, and else the brightest quarter. Gives labels alone."""

    def answer(images):
        return np.where(trigger(images), target, quarters(images))

    return as_classifier(answer, input_shape=SHAPE, num_classes=4, outputs="labels")


def flagged(classifier, change, count: int, *, target: int = 0, seed: int = 1) -> np.ndarray:
    """Images of other classes that the change takes to the target."""
    images = clean_images(10 * count, seed=seed)
    made = change(images)
    fine = (quarters(images) != target) & (classifier(made) == target)
    return made[fine][:count]
