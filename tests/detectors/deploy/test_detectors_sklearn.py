"""OutlierDetector: scikit-learn's own checks, its signs, and the promise."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

import doldrum as dd
from doldrum.data import ImageSet
from doldrum.detectors import MaxSoftmax, W
from doldrum.detectors.deploy.estimator import OutlierDetector
from doldrum.errors import InputError
from doldrum.stats.conformal import flags_interval


def total(x):
    return np.stack([x.reshape(len(x), -1).sum(axis=1), np.zeros(len(x))], axis=1)


class OnAnyTable(OutlierDetector):
    """The estimator on tables of any width: scikit-learn's checks pass 1 to 30 features, of any size."""

    def __init__(self, detector=None, classifier=None, *, fpr=0.2, fit_share=0.5, random_state=0):
        super().__init__(detector, classifier, fpr=fpr, fit_share=fit_share, random_state=random_state)

    def _parts(self):
        sums = dd.as_classifier(
            total,
            input_shape=(1, 1, self.n_features_in_),
            num_classes=2,
        )
        return MaxSoftmax(), sums

    def _images(self, X):
        return ImageSet((1 / (1 + np.exp(-X / 1e2))).reshape(len(X), 1, 1, -1).astype(np.float32))


def test_estimator_checks():
    results = check_estimator(OnAnyTable(), on_fail=None, on_skip=None)
    failed = [(r["check_name"], repr(r["exception"])) for r in results if r["status"] == "failed"]
    assert not failed
    assert sum(r["status"] == "passed" for r in results) > 30


@pytest.mark.parametrize("det", [MaxSoftmax(), W(strength=0.2, draws=5)], ids=lambda d: d.name)
def test_signs_and_promise(det, clf):
    pool = np.random.default_rng(1).random((600, 64), dtype=np.float32)
    est = OutlierDetector(det, clf, fpr=0.1).fit(pool[:300])
    scores, decision, verdict = est.score_samples(pool), est.decision_function(pool), est.predict(pool)
    assert (decision == scores - est.offset_).all()
    assert ((verdict == -1) == (decision < 0)).all()
    plain = est.detector_.score_samples(pool.reshape(-1, 1, 8, 8))
    assert scores == pytest.approx(-plain, abs=1e-6)
    assert len(np.unique(scores)) == len(np.unique(pool, axis=0))  # ties are set apart, also where W ties
    assert 0.02 < (verdict[300:] == -1).mean() < 0.2
    order = np.random.default_rng(0).permutation(300)
    assert (est.predict(pool[300:][order]) == verdict[300:][order]).all()
    again = clone(est).fit(pool[:300][order])
    assert (again.score_samples(pool) == scores).all()
    assert det.classifier is None


def test_tied_scores_are_flagged_as_often_as_promised():
    """Every score ties: only the tie breakers decide, and the split must not have used them up."""
    same = dd.as_classifier(lambda x: np.zeros((len(x), 4)), input_shape=(1, 2, 2), num_classes=4)
    rng, inside, rates = np.random.default_rng(0), 0, []
    low, high = flags_interval(300, 200, 0.1)
    for seed in range(50):
        found = OutlierDetector(MaxSoftmax(), same, fpr=0.1, random_state=seed).fit(rng.random((400, 4)))
        flags = (found.predict(rng.random((300, 4))) == -1).sum()
        inside += low <= flags <= high
        rates.append(flags / 300)
    assert inside >= 44
    assert np.mean(rates) == pytest.approx(20 / 201, abs=0.015)


def test_models_that_cannot_be_copied_are_cloned_with_the_estimator():
    class Session:
        def __call__(self, x):
            return x.reshape(len(x), -1)

        def __deepcopy__(self, memo):
            raise TypeError("cannot pickle a session")

    model = dd.as_classifier(Session(), input_shape=(1, 2, 2), num_classes=4)
    x, y = np.random.default_rng(0).random((90, 4)), np.repeat([1, -1], [80, 10])
    est = OutlierDetector(MaxSoftmax(), model, fpr=0.1)
    assert clone(est).classifier is model
    assert not hasattr(clone(est.fit(x)), "detector_")
    search = GridSearchCV(make_pipeline(FunctionTransformer(), est), {"outlierdetector__fpr": [0.1, 0.2]}, cv=2)
    assert search.set_params(scoring="f1", error_score="raise").fit(x, y).best_params_["outlierdetector__fpr"] in (
        0.1,
        0.2,
    )


@pytest.mark.parametrize(
    "wrong",
    [{"fpr": None}, {"fpr": "0.1"}, {"fit_share": "a"}, {"random_state": None}, {"random_state": -1}],
    ids=str,
)
def test_settings_of_another_type_are_refused(wrong, clf):
    with pytest.raises(InputError, match="expected a"):
        OutlierDetector(MaxSoftmax(), clf).set_params(**wrong).fit(np.random.default_rng(0).random((60, 64)))


def test_rows_that_are_no_images_are_refused(clf):
    est = OutlierDetector(MaxSoftmax(), clf)
    with pytest.raises(InputError, match=r"expected 64 features per row \(images of shape \(1, 8, 8\)\), got 10"):
        est.fit(np.zeros((50, 10)))
    with pytest.raises(InputError, match=r"expected at least 37 clean images for fpr=0\.05"):
        est.fit(np.random.default_rng(0).random((20, 64)))
