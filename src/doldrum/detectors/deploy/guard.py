"""Guard: a model with its detector, for use at inference."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_kind
from doldrum.classifiers import as_classifier
from doldrum.classifiers.base import Classifier
from doldrum.data import Images, ImageSet
from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.contract.result import ScanResult
from doldrum.detectors.deploy.seen import Seen
from doldrum.detectors.deploy.watch import Watch
from doldrum.errors import InputError
from doldrum.measuring import Measurement
from doldrum.stats.conformal import tie_breakers

__all__ = ["Guard", "Guarded"]


@dataclass(frozen=True, eq=False)
class Guarded:
    """The result of a Guard: `labels` (N,) of the classifier, with -1 for flagged inputs, and the detector's
    `result`."""

    labels: NDArray[np.int64]
    result: ScanResult


class Guard:
    """Returns the model's label of each input, or -1 if the detector flags the input.

    Parameters
    ----------
    model : Classifier, or an nn.Module or function
        The model that the detector was fitted on. For a module or function, input shape and number of classes come from
        the detector.
    detector : Detector
        A fitted and calibrated detector. On average, the share of clean inputs that are flagged is at most the
        false-positive rate that the detector promises.
    outputs : "logits", "probabilities" or "labels"
        What the model returns, if it is a module or a function.
    watch : Watch, optional
        The Watch receives the p-values in the order of the calls. The Watch's verdict, `guard.watch.verdict`, says
        whether the promised rate still holds. By default, a new Watch. Pass `Watch.restored(detector.calibration,
        state)` to continue with the state of an earlier Watch. An image that is among the last 65,536 different images
        is not passed to the watch again. If the watch got repeated images, a client that sends an image twice would
        look like drift. If the watch raises an error, the error is logged once, and the Guard still returns labels.

    An answer does not depend on the other images in the batch. An answer costs at most `detector.forwards` forward
    passes per image. The engine runs whole batches, so the total number of forward passes is rounded up to a multiple
    of the batch size. With `SmoothnessProfile`, one batch of 64 forward passes is enough for an image. With
    `StagedProfile`, one batch of 13 forward passes is enough for most images. Model and engine were checked at `fit`.
    On another machine, or with other versions of the libraries, the first call checks model and engine again. This
    check uses the images of the call, and costs a few hundred forward passes. Make a new Guard if the model's weights
    have changed.

    >>> from doldrum.detectors import W
    >>> model = lambda x: (x[:, 0, 0, 0] > x[:, 0, 0, 1]).astype(int)
    >>> clf = as_classifier(model, input_shape=(1, 1, 2), num_classes=2, outputs="labels")
    >>> clean = np.random.default_rng(0).random((60, 1, 1, 2)) / 2
    >>> det = W(strength=0.3, seed=0).fit(clf, clean[:1]).calibrate(clean[1:], fpr=0.05)
    >>> Guard(model, det, outputs="labels")(np.array([[[[0.0, 1.0]]], [[[0.3, 0.2]]]])).labels.tolist()
    [-1, 1]
    """

    def __init__(self, model: Any, detector: Detector, *, outputs: Any = "logits", watch: Watch | None = None) -> None:
        if not is_kind(detector, Detector) or detector.fitted_for is None or detector.calibration is None:
            raise InputError(f"expected a calibrated detector, got {detector!r}; fit and calibrate it first")
        if not isinstance(model, Classifier):
            _, shape, classes = detector.fitted_for
            model = as_classifier(model, input_shape=shape, num_classes=classes, outputs=outputs)
        self.detector = detector.bind(model)
        self._run: Measurement | None = None
        self._seen, self._failed = Seen(), False
        self.watch = Watch(detector.calibration) if watch is None else watch
        if self.watch.calibration is not detector.calibration:
            raise InputError(
                "expected a Watch of the detector's calibration, got a Watch of another calibration; create it with Watch(detector.calibration)"
            )

    def __call__(self, images: Images) -> Guarded:
        """Labels and verdicts of images (N, C, H, W), or of any source of images. Raises InputError if an image can't
        be read."""
        found = self.detector.taken(images)
        ties = tie_breakers(found.images, self.watch.calibration.seed)
        result = self._judged(found, ties)
        self._show(ties, result)
        return Guarded(np.where(result.flags, -1, result.labels).astype(np.int64), result)

    def warm_up(self) -> bool:
        """Judge a grey image, so that the first caller need not wait until libraries and buffers are loaded. Return
        whether the grey image was judged.

        The watch does not receive the grey image. If model and engine must first be checked, for example because `fit`
        ran on another machine, no grey image is judged. The check of model and engine uses the first real images.
        """
        checked, classifier = self.detector.checked, self.detector.classifier
        if checked is None or classifier is None or not checked.holds(classifier, checked.rows):
            return False
        grey = self.detector.taken(np.full((1, *classifier.input_shape), 128, np.uint8))
        self._judged(grey, tie_breakers(grey.images, self.watch.calibration.seed))
        return True

    def _judged(self, images: ImageSet, ties: NDArray[np.float64]) -> ScanResult:
        if self._run is None:
            self._run = self.detector.run(images.take(range(min(len(images), 64))))
        seen = self.detector.examine(images, self._run)
        return self.detector.judge(seen.labels, seen.scores, images, forwards=seen.forwards, ties=ties)

    def _show(self, ties: NDArray[np.float64], result: ScanResult) -> None:
        """Pass the p-values of new images to the watch. An error of the watch is logged and not raised, so that callers
        still get answers."""
        if self._failed:
            return
        try:
            new = self._seen.new(ties)
            self.watch.see(result.p_values[new], labels=result.labels[new])
        except Exception as error:
            self._failed = True
            logging.getLogger(__name__).error(
                "the watch failed and has stopped; images are still answered: %s: %s", type(error).__name__, error
            )
