"""Spectral signatures: poisoned samples have extreme values along the first singular vector of their class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.cleansing.methods.base import checked_class

__all__ = ["spectral_scores"]


def spectral_scores(features: Any) -> NDArray[np.float64]:
    """Scores (n,) of the samples of one class: ((f - mean) . v)^2, where f has the features of a sample.

    Here v is the top right singular vector of the centred features, and mean is the mean of all samples' features.

    Parameters
    ----------
    features : (n, D)
        The penultimate activations of all samples with one label.

    Source: Tran, Li, Madry, Spectral signatures in backdoor attacks, NeurIPS 2018, arXiv 1811.00636, algorithm 1.

    >>> spectral_scores([[0.0, 0.0], [0.0, 0.1], [0.0, -0.1], [9.0, 0.0]]).argmax()
    np.int64(3)
    """
    found = checked_class(features)
    centred = found - found.mean(axis=0)
    # The top right singular vector is the top eigenvector of the smaller of the two Gram matrices, carried over.
    n, d = centred.shape
    if n >= d:
        top = np.linalg.eigh(centred.T @ centred)[1][:, -1]
        return (centred @ top) ** 2
    values, vectors = np.linalg.eigh(centred @ centred.T)
    return max(float(values[-1]), 0.0) * vectors[:, -1] ** 2
