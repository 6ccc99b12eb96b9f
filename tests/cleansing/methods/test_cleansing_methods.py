"""Spectral signatures, activation clustering and what they read, against plain references and planted answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import doldrum as dd
from doldrum.cleansing.methods.base import Verdict, highest
from doldrum.cleansing.methods.by_class import by_class
from doldrum.cleansing.methods.clustering import LEAST_SILHOUETTE, MOST_SHARE, activation_clusters
from doldrum.cleansing.methods.penultimate import last_linear, penultimate
from doldrum.cleansing.methods.spectral import spectral_scores
from doldrum.errors import ClassifierError, InputError


def planted(n: int, share: float, d: int = 16, gap: float = 8.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of a class of which `share` lie apart."""
    rng = np.random.default_rng(seed)
    bad = np.arange(n) < round(share * n)
    direction = rng.normal(size=d)
    features = rng.normal(size=(n, d)) + np.outer(bad, gap * direction / np.linalg.norm(direction))
    order = rng.permutation(n)
    return features[order], bad[order]


@pytest.mark.parametrize(("n", "d"), [(200, 12), (12, 200), (50, 50)])
def test_spectral_scores_are_those_of_a_singular_value_decomposition(n, d) -> None:
    features = np.random.default_rng(n).normal(size=(n, d)) * np.linspace(3, 1, d) + 5
    centred = features - features.mean(axis=0)
    _, _, v = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(spectral_scores(features), (centred @ v[0]) ** 2, rtol=1e-8, atol=1e-8)


def test_spectral_signatures_find_what_was_planted() -> None:
    features, bad = planted(400, 0.1)
    assert set(np.flatnonzero(highest(spectral_scores(features), 0.1))) >= set(np.flatnonzero(bad))
    # Without the centring the mean would be the first direction: a large offset changes nothing here.
    np.testing.assert_allclose(spectral_scores(features + 1000), spectral_scores(features), rtol=1e-5)


def test_one_and_a_half_times_the_rate_is_dropped() -> None:
    scores = np.random.default_rng(0).normal(size=1000)
    drop = highest(scores, 0.05)
    assert drop.sum() == 75
    assert scores[drop].min() > scores[~drop].max()
    assert highest(scores, 0.0501).sum() == 76  # rounded up
    assert highest(np.zeros(3), 0.5).tolist() == [True, True, False]  # never all, ties in the order they come
    for rate in (0, -1, 0.6, float("nan"), True, "5%"):
        with pytest.raises(InputError, match="rate"):
            highest(scores, rate)


def silhouette(points: np.ndarray, cluster: np.ndarray) -> float:
    """Mean of (b - a) / max(a, b) over the points, from all distances; Rousseeuw 1987."""
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    values = []
    for i in range(len(points)):
        own = cluster == cluster[i]
        a, b = distances[i, own].sum() / (own.sum() - 1), distances[i, ~own].mean()
        values.append((b - a) / max(a, b))
    return float(np.mean(values))


def test_clusters_are_two_means_of_ten_whitened_dimensions() -> None:
    features, _ = planted(300, 0.2, d=14, gap=6)
    found = activation_clusters(features)
    # Independent components are a rotation of whitened principal ones, and neither distances nor silhouettes feel it.
    centred = features - features.mean(axis=0)
    u, _, _ = np.linalg.svd(centred, full_matrices=False)
    white = u[:, :10] * np.sqrt(len(features))
    assert found.silhouette == pytest.approx(silhouette(white, found.smaller), abs=1e-6)
    centres = np.stack([white[found.smaller == c].mean(axis=0) for c in (False, True)])
    nearest = np.linalg.norm(white[:, None] - centres[None], axis=2).argmin(axis=1)
    assert np.array_equal(nearest.astype(bool), found.smaller)
    assert found.share == found.smaller.mean()


@pytest.mark.parametrize(("share", "suspicious"), [(0.05, True), (0.3, True), (0.45, False)])
def test_a_small_cluster_that_lies_apart_is_suspicious(share, suspicious) -> None:
    features, bad = planted(600, share, d=10, gap=12)
    found = activation_clusters(features)
    assert np.array_equal(found.smaller, bad)
    assert (found.share == pytest.approx(share), found.suspicious) == (True, suspicious)
    assert found.silhouette > LEAST_SILHOUETTE
    assert (found.share < MOST_SHARE) == suspicious


def test_a_class_of_one_kind_and_a_tiny_or_constant_one_are_left_alone() -> None:
    one = activation_clusters(np.random.default_rng(0).normal(size=(2000, 30)))
    assert not one.suspicious
    for features in (np.random.default_rng(0).normal(size=(19, 5)), np.ones((40, 5)), np.zeros((40, 5))):
        found = activation_clusters(features)
        assert (found.share, found.silhouette, found.suspicious, int(found.smaller.sum())) == (0, 0, False, 0)


def test_fewer_dimensions_than_ten_are_taken_as_they_are() -> None:
    for d in (1, 3):
        features, bad = planted(200, 0.2, d=d, gap=15)
        assert np.array_equal(activation_clusters(features).smaller, bad)
    with_copies = np.repeat(planted(200, 0.2, d=2, gap=15)[0], 6, axis=1)  # rank 2
    assert np.array_equal(activation_clusters(with_copies).smaller, planted(200, 0.2, d=2, gap=15)[1])


def test_features_that_are_not_finite_or_not_rows_are_refused() -> None:
    for method in (spectral_scores, activation_clusters):
        with pytest.raises(InputError, match="finite"):
            method([[1.0, np.nan]])
        with pytest.raises(InputError, match="shape"):
            method(np.zeros(3))


class _TwoHeads(nn.Module):
    """Its last layer is not the last one that it registers."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 3)
        self.body = nn.Linear(4, 6)
        self.unused = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.body(x.flatten(1))))


def classifier(net: nn.Module, classes: int = 3) -> dd.Classifier:
    torch.manual_seed(0)
    return dd.as_classifier(net.eval(), input_shape=(1, 2, 2), num_classes=classes)


def test_the_layer_that_runs_last_is_found_and_its_inputs_are_read() -> None:
    net = _TwoHeads()
    clf = classifier(net)
    images = np.random.default_rng(0).integers(0, 256, (1203, 1, 2, 2), dtype=np.uint8)
    assert last_linear(clf) is net.head
    with torch.no_grad():
        expected = torch.relu(net.body(torch.from_numpy(images / np.float32(255)).flatten(1))).numpy()
    np.testing.assert_allclose(penultimate(clf, images), expected, atol=1e-6)
    # Nothing stays hooked.
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_a_softmax_after_the_last_layer_does_not_hide_it() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.Linear(5, 3), nn.Softmax(dim=1))
    assert last_linear(classifier(net)) is net[2]


def test_models_without_such_a_layer_are_refused() -> None:
    conv = nn.Sequential(nn.Conv2d(1, 3, 2), nn.Flatten())
    with pytest.raises(ClassifierError, match=r"nn\.Linear of 3 classes"):
        last_linear(classifier(conv))
    black_box = dd.as_classifier(lambda x: np.zeros((len(x), 3)), input_shape=(1, 2, 2), num_classes=3)
    with pytest.raises(ClassifierError, match="torch module"):
        penultimate(black_box, np.zeros((2, 1, 2, 2)))


def test_activations_that_overflow_are_said() -> None:
    net = _TwoHeads()
    with torch.no_grad():
        net.body.weight.fill_(float("inf"))
    with pytest.raises(ClassifierError, match="activations, got NaN or infinities for 2"):
        penultimate(classifier(net), np.ones((2, 1, 2, 2), np.uint8))


def test_each_label_is_judged_by_itself() -> None:
    """Rows come back in their places, whatever order the labels are in."""
    net = nn.Sequential(nn.Flatten(), nn.Identity(), nn.Linear(4, 3))
    clf = classifier(net)
    rng = np.random.default_rng(1)
    images = rng.random((90, 1, 2, 2)).astype(np.float32)
    labels = rng.integers(0, 3, 90)
    found = by_class(clf, dd.ImageSet(images, labels=labels), ["spectral", "clustering"], rate=0.1)
    flat = images.reshape(90, 4)
    for k in range(3):
        mine = labels == k
        np.testing.assert_allclose(found["spectral"].scores[mine], spectral_scores(flat[mine]), rtol=1e-4)
        assert found["spectral"].drop[mine].sum() == np.ceil(0.15 * mine.sum())
    assert [c["label"] for c in found["clustering"].details["classes"]] == [0, 1, 2]


def test_a_verdict_is_checked() -> None:
    with pytest.raises(InputError, match="without NaN"):
        Verdict("m", np.array([np.nan]), np.array([True]), "rule")
    with pytest.raises(InputError, match="one boolean per sample"):
        Verdict("m", np.zeros(2), np.zeros(3, dtype=bool), "rule")
