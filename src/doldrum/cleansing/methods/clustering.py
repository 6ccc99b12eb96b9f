"""Activation clustering: the activations of a poisoned class form two clusters, and the smaller one is the poison."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.cleansing.methods.base import checked_class
from doldrum.lazy import extras
from doldrum.records.clusters import LEAST_SILHOUETTE, MOST_SHARE

__all__ = ["FEWEST", "LEAST_SILHOUETTE", "MOST_SHARE", "Clusters", "activation_clusters"]  # fmt: skip

FEWEST = 20
"""The smallest number of samples for which a class is divided into clusters."""
_DIMENSIONS, _SAMPLE = 10, 5000


@dataclass(frozen=True, eq=False)
class Clusters:
    """Two clusters of the samples of one class.

    `smaller` (n,) marks the smaller cluster, and `share` is the share of the samples in this cluster. `silhouette` is
    the mean silhouette score of both clusters. For a class of more than 5,000 samples, the silhouette score is computed
    from 5,000 samples.
    """

    smaller: NDArray[np.bool_]
    share: float
    silhouette: float

    @property
    def suspicious(self) -> bool:
        return self.share < MOST_SHARE and self.silhouette > LEAST_SILHOUETTE


def activation_clusters(features: Any, *, seed: int = 0) -> Clusters:
    """Divide the samples of one class into two clusters: FastICA to 10 dimensions, then 2-means with 10 starts.

    A class with fewer than 20 samples, or with equal activations, is one cluster: then no sample is marked, and `share`
    and `silhouette` are 0. The thresholds for the size and the silhouette score of a cluster come from the authors' own
    implementation (Adversarial Robustness Toolbox, analysis by silhouette). The paper by Chen et al. uses the size and
    the silhouette score of a cluster too.

    Source: Chen et al., Detecting backdoor attacks on deep neural networks by activation clustering, 2018, arXiv 1811.03728.

    >>> rng = np.random.default_rng(0)
    >>> f = rng.normal(size=(200, 12)) + np.r_[np.zeros(180), np.full(20, 9.0)][:, None]
    >>> found = activation_clusters(f)
    >>> found.share, found.suspicious, bool(found.smaller[180:].all())
    (0.1, True, True)
    """
    found = checked_class(features)
    none = Clusters(np.zeros(len(found), dtype=bool), 0.0, 0.0)
    if len(found) < FEWEST:
        return none
    reduced = _reduced(found, seed)
    if reduced is None:
        return none
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    starts: Any = 10  # a number or "auto"; the annotation knows the latter only
    cluster = KMeans(2, n_init=starts, random_state=seed).fit_predict(reduced)
    sizes = np.bincount(cluster, minlength=2)
    if not sizes.all():
        return none
    smaller = cluster == sizes.argmin()
    sample = _SAMPLE if len(found) > _SAMPLE else None
    try:
        silhouette = float(silhouette_score(reduced, cluster, sample_size=sample, random_state=seed))
    except ValueError:  # the sample fell into one cluster
        silhouette = 0.0
    return Clusters(smaller, float(sizes.min() / len(found)), silhouette)


def _reduced(features: NDArray[np.float64], seed: int) -> NDArray[np.float64] | None:
    """The independent components (n, up to 10) of the features, or None if the features do not vary."""
    with extras():
        from sklearn.decomposition import PCA, FastICA
        from sklearn.exceptions import ConvergenceWarning
    # FastICA whitens by principal components anyway; taken first, directions without any variance can be left out.
    spread = features.std(axis=0).max()
    if spread <= 1e-12 * max(1.0, float(np.abs(features).max())):
        return None
    pca = PCA(
        min(_DIMENSIONS, *features.shape), svd_solver="full" if min(features.shape) < 50 else "auto", random_state=seed
    )
    scores = pca.fit_transform(features)
    scores = scores[:, pca.explained_variance_ > 1e-10 * pca.explained_variance_[0]]
    if scores.shape[1] == 1:
        return scores / scores.std()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a rotation that is nearly settled serves as well
        return FastICA(whiten="unit-variance", max_iter=1000, tol=0.005, random_state=seed).fit_transform(scores)
