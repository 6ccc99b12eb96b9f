"""Checks before gradients are used: do the module's scores agree with the model's scores, and is there a gradient that
is not zero?"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from doldrum.errors import ClassifierError, check_memory_left

__all__ = ["check_agreement", "check_gradients"]


def check_agreement(
    module: nn.Module, images: NDArray[np.float32], wanted: NDArray[np.float32], *, log: bool, tolerance: float
) -> None:
    """Check that the scores of `module` agree with `wanted` (N, K), the model's own scores. If `log` is true, `module`
    returns logarithms of scores.

    For each image, a score may differ by at most `tolerance` times the image's spread. The spread is the distance from
    the image's median score to its highest score. A spread below the median spread of all images is replaced by this
    median. A spread below 1% of the image's largest absolute score is replaced by this 1%. If the scores of an image
    differ by at most `tolerance` times the spread, the module and the model can predict different labels only if two
    scores are nearly equal. Images with NaN or infinite scores in `wanted` are left out.

    Raises ClassifierError if a score differs by more than `tolerance` times the spread. The message gives the largest
    difference, divided by the image's spread.
    """
    try:
        with torch.no_grad():
            found = module(torch.from_numpy(images)).double().cpu().numpy()
    except ClassifierError:
        raise
    except Exception as error:  # somebody else's network raises what it likes
        check_memory_left(error)
        raise ClassifierError(
            f"expected a model that can be run by torch for its gradients, got {_line(error)}; use methods that need only scores"
        ) from error
    if found.shape != wanted.shape:
        raise ClassifierError(
            f"expected scores of shape {wanted.shape} from the copy of the model that has gradients, got scores of shape {found.shape}; report this as a bug"
        )
    kept = np.isfinite(wanted).all(axis=1)
    if not kept.any():
        raise ClassifierError(
            "expected finite scores for at least one image, got none; give images that the model is meant for"
        )
    scores, found = wanted[kept].astype(np.float64), np.exp(found[kept]) if log else found[kept]
    above = scores.max(axis=1) - np.median(scores, axis=1)
    spread = np.maximum(np.maximum(above, np.median(above)), 0.01 * np.abs(scores).max(axis=1) + 1e-12)
    worst = np.abs(found - scores).max(axis=1) / spread
    if not (worst <= tolerance).all():  # NaN is not
        raise ClassifierError(
            f"expected the copy of the model with gradients to give the model's scores, got scores that differ by {np.max(worst):.2g} times the scores' spread (allowed: "
            f"{tolerance:g}); use methods that need only scores"
        )


def check_gradients(module: nn.Module, images: NDArray[np.float32]) -> int:
    """Count the images for which the gradient of the scores is finite and not zero.

    The gradient is computed for one random combination of the classes' scores. Raises ClassifierError if the gradient
    is zero or not finite for every image.
    """
    x = torch.from_numpy(images).requires_grad_(True)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            scores = module(x)
            weights = torch.randn(scores.shape[1], generator=torch.Generator().manual_seed(0)).to(scores.device)
            if not scores.requires_grad:
                raise ClassifierError(
                    "expected a model whose scores have gradients, got a model that stops gradients inside (torch.no_grad, detach, argmax or "
                    "whole numbers); use methods that need only scores"
                )
            (gradient,) = torch.autograd.grad((scores @ weights).sum(), x, allow_unused=True)
    except ClassifierError:
        raise
    except Exception as error:  # somebody else's network raises what it likes
        check_memory_left(error)
        raise ClassifierError(
            f"expected a model whose scores have gradients, got {_line(error)}; use methods that need only scores"
        ) from error
    flat = torch.zeros(len(x), 1) if gradient is None else gradient.flatten(1)
    finite = torch.isfinite(flat).all(dim=1)
    usable = int((finite & (flat != 0).any(dim=1)).sum())
    if not usable:
        bad = int((~finite).sum())
        got = f"a gradient with NaN or infinity for {bad} images" if bad else "a gradient of zero for all images"
        raise ClassifierError(
            f"expected a gradient that is not zero for at least one of {len(x)} images, got {got}: the scores don't depend on the images, or a step inside the model (rounding, a "
            "threshold) blocks the gradients; use methods that need only scores"
        )
    return usable


def _line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return text[:300] or type(error).__name__
