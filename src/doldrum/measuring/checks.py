"""Checks before a run: whether the classifier's outputs are as declared, and the sample of images on which engines are compared."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import fits_in_memory
from doldrum.classifiers.base import Classifier
from doldrum.engines import Engine, choose_engine
from doldrum.errors import ClassifierError, InputError
from doldrum.measuring.battery import Battery
from doldrum.measuring.checked import Checked, this_machine
from doldrum.measuring.inputs import Inputs
from doldrum.pixels import to_float
from doldrum.seeds import rng

__all__ = ["check_all", "check_classifier", "check_memory", "check_shape", "perturbed_sample"]

_SAMPLE = 512  # forwards in fp32 that the engine's labels are checked against
_SAMPLE_FLOATS = 1 << 27  # of which are fewer where images are large: the whole sample and its copies are in memory


def check_shape(found: tuple[int, ...], wanted: tuple[int, int, int]) -> None:
    """Raise InputError unless images have the shape (channels, height, width) that the classifier takes."""
    if found != wanted:
        last = (*found[2:], *found[:2]) == wanted
        raise InputError(
            f"expected images of shape {wanted} (channels, height, width), got images of shape {found}; "
            f"{'pass images.transpose(0, 3, 1, 2)' if last else 'resize or convert them'}"
        )


def check_classifier(classifier: Classifier, images: NDArray[np.float32]) -> list[str]:
    """Run a first small batch.

    Raises ClassifierError if the outputs are not as declared; returns notes on what is unusual but harmless.
    """
    classifier.check_state()
    notes = list(classifier.notes)
    output = classifier(images)
    if output.ndim == 1:
        return notes
    finite = np.isfinite(output).all(axis=1)
    if not finite.any():
        raise ClassifierError(
            "expected finite scores, got NaN or infinities for every image of a first small batch; "
            "check the weights and that the model takes images in [0, 1]"
        )
    scores = output[finite].astype(np.float64)
    sums_to_one = bool((np.abs(scores.sum(axis=1) - 1) < 1e-3).all() and scores.min() >= -1e-6)
    if classifier.outputs == "probabilities" and not sums_to_one:
        raise ClassifierError(
            f"expected probabilities that sum to 1, got sums {scores.sum(axis=1).min():.3g} to "
            f"{scores.sum(axis=1).max():.3g}; pass outputs='logits'"
        )
    if classifier.outputs == "logits" and sums_to_one:
        notes.append(
            "the scores were declared as logits but sum to 1, so they look like probabilities (the labels are the same in both cases)"
        )
    return notes


def check_all(
    classifier: Classifier, images: Inputs, battery: Battery, engine: str, *, rows: int
) -> tuple[Engine, Checked]:
    """Check the classifier's outputs on some of the images, and choose its engine for batches of `rows` rows."""
    notes = check_classifier(classifier, to_float(images.spread(8)))
    built, choice = choose_engine(classifier, engine, rows=rows, sample=perturbed_sample(images, battery))
    return built, Checked(classifier.fingerprint, rows, choice, tuple(notes), this_machine())


def perturbed_sample(images: Inputs, battery: Battery) -> NDArray[np.float32]:
    """A sample of images to compare engines on: some of the given images, each unperturbed and with some of the
    battery's perturbations."""
    most = max(8, min(_SAMPLE, _SAMPLE_FLOATS // math.prod(images.shape[1:])))
    base = to_float(images.spread(min(32, most)))
    per = min(battery.image_rows, max(1, most // len(base)))
    sample = np.empty((len(base) * per, *base.shape[1:]), dtype=np.float32)
    picks = rng(next((p.seed for p in battery.probes.values()), 0), "engine check")
    for i, image in enumerate(base):
        # The first is the unperturbed row, the others any of the draws.
        rows = [0, *(1 + picks.choice(battery.image_rows - 1, per - 1, replace=False))]
        for at, row in enumerate(map(int, rows), start=i * per):
            battery.fill(image, row, row + 1, sample[at : at + 1])
    # One row by itself can't show whether rows mix.
    return np.concatenate([sample, 1 - sample]) if len(sample) == 1 else sample


def check_memory(inputs: int, draws: int, *, what: str = "a batch", hint: str = "a smaller batch_size=") -> None:
    """Raise InputError if the labels of all draws do not fit in memory.

    `inputs` is the number of inputs, and `draws` is the number of draws per input.
    """
    size = 2 * inputs * draws
    if not fits_in_memory(size):
        raise InputError(
            f"expected {what} whose labels fit in memory, got {inputs} inputs x {draws} draws, which need "
            f"{size / 2**30:,.1f} GiB; ask for fewer draws or {hint}"
        )
