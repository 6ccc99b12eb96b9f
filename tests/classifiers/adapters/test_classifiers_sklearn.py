"""scikit-learn's classifiers as ours."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import doldrum as dd
from doldrum.errors import InputError

SHAPE = (1, 8, 8)


def test_probabilities_or_labels(images):
    rows, truth = images.reshape(20, 64), np.array(["owl", "cat"])[np.arange(20) % 2]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, truth)
    clf = dd.as_classifier(model, input_shape=SHAPE)
    assert (clf.num_classes, clf.outputs) == (2, "probabilities")
    assert clf(images) == pytest.approx(model.predict_proba(rows), abs=1e-6)
    as_labels = dd.as_classifier(model, input_shape=SHAPE, outputs="labels")
    assert (np.array(["cat", "owl"])[as_labels(images)] == model.predict(rows)).all()
    svm = LinearSVC().fit(rows, truth)
    assert (np.array(["cat", "owl"])[dd.as_classifier(svm, input_shape=SHAPE)(images)] == svm.predict(rows)).all()
    assert clf.fingerprint != dd.as_classifier(svm, input_shape=SHAPE).fingerprint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"expected an input_shape \(C, H, W\) with C \* H \* W = 64, the row length at fit, got none"),
        ({"input_shape": (1, 4, 4)}, "= 64, the row length at fit, got \\(1, 4, 4\\)"),
        ({"input_shape": SHAPE, "num_classes": 3}, "expected num_classes=2, on which the estimator was fitted, got 3"),
        (
            {"input_shape": SHAPE, "outputs": "probabilities"},
            "expected outputs='labels' for the estimator LinearSVC, got 'probabilities'",
        ),
    ],
)
def test_what_does_not_fit_is_refused(images, options, message):
    svm = LinearSVC().fit(images.reshape(20, 64), np.arange(20) % 2)
    with pytest.raises(InputError, match=message):
        dd.as_classifier(svm, **options)
    with pytest.raises(
        InputError,
        match="expected a fitted classifier with one label per image, got a LinearSVC that is not such a classifier; fit it first",
    ):
        dd.as_classifier(LinearSVC(), input_shape=SHAPE)
