"""The methods that use the activations of one label at a time.

All these methods share one pass over a training set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.cleansing.methods import clustering, spectral
from doldrum.cleansing.methods.base import MARGIN, Verdict, highest
from doldrum.cleansing.methods.penultimate import last_linear, penultimate
from doldrum.data import ImageSet

__all__ = ["by_class"]


def by_class(classifier: Classifier, data: ImageSet, methods: Sequence[str], *, rate: float) -> dict[str, Verdict]:
    """The verdicts of the requested methods ("spectral", "clustering").

    Only one label's activations are in memory at a time.

    Raises ClassifierError if the classifier's activations cannot be read.
    """
    layer = last_linear(classifier)
    labels = np.asarray(data.labels)
    classes = [int(label) for label in np.unique(labels)]
    scores = {m: np.zeros(len(data)) for m in methods}
    drop = {m: np.zeros(len(data), dtype=bool) for m in methods}
    found: list[dict[str, Any]] = []
    for label in classes:
        rows = np.flatnonzero(labels == label)
        features = penultimate(classifier, data.images[rows], layer=layer)
        if "spectral" in methods:
            scores["spectral"][rows] = s = spectral.spectral_scores(features)
            drop["spectral"][rows] = highest(s, rate)
        if "clustering" in methods:
            clusters = clustering.activation_clusters(features)
            scores["clustering"][rows] = _cluster_scores(clusters)
            drop["clustering"][rows] = clusters.smaller & clusters.suspicious
            about = {"label": label, "samples": len(rows), "share": clusters.share, "silhouette": clusters.silhouette}
            found.append({**about, "dropped": clusters.suspicious})
    rules = {
        "spectral": f"drops the {MARGIN * rate:.1%} of each label's samples that have the largest spectral signatures",
        "clustering": f"drops each label's smaller cluster if it has less than {clustering.MOST_SHARE:.0%} of the label's samples and "
        f"the silhouette score is above {clustering.LEAST_SILHOUETTE:g}",
    }
    details: dict[str, dict[str, Any]] = {"spectral": {"rate": rate}, "clustering": {"classes": found}}
    return {m: Verdict(m, scores[m], drop[m], rules[m], details[m]) for m in methods}


def _cluster_scores(clusters: clustering.Clusters) -> NDArray[np.float64]:
    """Score each sample by its cluster: the share of the class that is outside of this cluster, times the silhouette
    score.

    The score is high in a small, separate cluster.
    """
    outside = np.where(clusters.smaller, 1 - clusters.share, clusters.share)
    return outside * max(clusters.silhouette, 0.0)
