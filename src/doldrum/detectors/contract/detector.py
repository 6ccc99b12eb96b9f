"""Detector: the methods fit, calibrate and scan, which all detectors share. These methods call the hooks (`hooks.py`)
that a subclass defines."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_kind, is_number
from doldrum.classifiers.base import Classifier
from doldrum.data import ImageRead, Images, ImageSet, as_image_set, read_stream, to_float
from doldrum.detectors.contract.calibration import Calibration
from doldrum.detectors.contract.definition import check_definition, check_learned, check_probes
from doldrum.detectors.contract.evidence import Evidence
from doldrum.detectors.contract.hooks import Hooks
from doldrum.detectors.contract.measuring import (
    Each,
    Examining,
    Measured,
    blocks_of,
    each_by,
    joined,
    prepared,
)
from doldrum.detectors.contract.result import ScanResult
from doldrum.detectors.contract.splitting import check_different
from doldrum.detectors.contract.stages import Examined, new_draws
from doldrum.errors import ClassifierError, InputError
from doldrum.measuring import Checked, Measurement
from doldrum.measuring.checks import check_shape
from doldrum.measuring.inputs import wanted_by
from doldrum.stats import conformal

__all__ = ["Detector"]

_BATCH = 256  # inputs in memory at a time


class Detector(Hooks):
    """Gives every input a score (higher = more suspicious), with a promised false-positive rate.

    Use a detector as `fit(classifier, clean_a).calibrate(clean_b, fpr=0.01).scan(images)`. A subclass defines the
    methods in `Hooks`.

    Parameters
    ----------
    seed : int, optional
        Seed of the probes' draws and of the tie breakers. By default, each `fit` makes a new, secret seed, since an
        attacker who knew the draws could train against them. The seed is stored in `seed_` and in the saved detector.
        If the seed is a number, the detector's results are reproducible. Fit, calibration and scans use the same seed.
        So the score is one fixed function of the image. The promised false-positive rate holds only if the score is one
        fixed function of the image.
    """

    def __init__(self, *, seed: int | None = None) -> None:
        super().__init__(seed=seed)
        self.classifier: Classifier | None = None
        self.calibration: Calibration | None = None
        self.engine = "auto"
        """The name of the engine that runs the model. `fit` chooses the engine. If you set another engine, or "auto",
        the next measurement checks this engine."""
        self.checked: Checked | None = None
        """The result of the check of classifier and engine that `fit` has made. While this result is still valid,
        classifier and engine are not checked again."""
        self.batch_size = _BATCH
        """The number of inputs measured at a time. The batch size changes only the memory used and how often `on_batch`
        is called."""
        self.on_batch: Callable[[int], None] | None = None
        """A function that is called after each batch with the number of inputs in the batch, for example to show
        progress."""
        self.each: Each = map
        """The function that processes the batches if no workers are requested. By default, the batches are processed in
        this process, one after another."""
        self.fitted_for: tuple[str, tuple[int, int, int], int] | None = None
        self.fitted_on: NDArray[np.float64] = np.zeros(0)
        """The tie breakers of the inputs that `fit` used. With these tie breakers, `calibrate` recognises inputs that
        `fit` used too."""
        self.preprocessing: dict[str, Any] = {}
        """The options with which the classifier was opened, if the classifier was read from a file."""

    def fit(self, classifier: Classifier, clean: Images, *, workers: int | None = None, ray: str | None = None) -> Self:
        """Bind the detector to a classifier, choose an engine, and learn from clean inputs.

        This method checks the model and the engine on some of the images. `calibrate`, `scan` and a `Guard` repeat this
        check only if classifier, engine, versions or machine have changed.

        In `fit`, `calibrate` and `scan`, images are an ImageSet, an array, or any source that
        :func:`doldrum.data.read_stream` reads. If `workers` is above 1, it is the number of processes that share the
        measuring, each with one thread. `ray` is the address of a Ray cluster, whose machines then share the measuring
        (:func:`doldrum.spread.spread`). Results are bit for bit the same for every number of workers. A worker that
        dies is replaced.

        Before any work, raises ClassifierError if the classifier doesn't give what `needs` says, and InputError if the
        images have another shape than the classifier takes. If `fit` fails or is interrupted, the detector is not
        fitted, even if it was before.
        """
        check_definition(self)
        each = self._each(workers, ray)
        self.check_classifier(classifier)
        images = as_image_set(clean, **wanted_by(classifier))
        check_shape(images.input_shape, classifier.input_shape)
        self.classifier, self.calibration, self.engine, self.checked = classifier, None, "auto", None
        self.fitted_for = (classifier.fingerprint, classifier.input_shape, classifier.num_classes)
        self.seed_ = secrets.randbits(63) if self.seed is None else self.seed
        ties = np.unique(conformal.tie_breakers(images.images, self.seed_))
        try:
            if len(ties) < self.fewest <= len(images):
                raise InputError(
                    f"expected at least {self.fewest} different clean inputs for fit, got copies: only {len(ties)} of {len(images)} are different; add other clean inputs"
                )
            self.prepare(classifier, images)
            run = self.run(images)
            if type(self).learn is not Hooks.learn:
                self.learn(joined(self.measure(images, run, each=each), images))
            check_learned(self)
        except BaseException:
            self.classifier = self.fitted_for = None
            raise
        self.fitted_on = ties
        return self

    def calibrate(
        self,
        clean: Images,
        *,
        fpr: float = 0.01,
        per_class: bool = False,
        workers: int | None = None,
        ray: str | None = None,
    ) -> Self:
        """Promise a false-positive rate: on average, at most a share `fpr` of clean inputs like those in `clean` is
        flagged.

        `per_class=True` promises the rate for each predicted class separately (Mondrian calibration). With
        `per_class=True`, every class that the model predicts needs enough calibration inputs.

        Before any work, raises InputError if there are too few inputs (the message gives the number needed), if the
        inputs were also used in `fit`, or if more than a tenth of them are copies of others. Use unfiltered clean inputs, including those that the classifier gets wrong.
        """
        each = self._each(workers, ray)
        seed, images = self.fitted_seed(), self.taken(clean)
        if not is_number(fpr):
            raise InputError(f"expected a false-positive rate in (0, 1), got {fpr!r}; pass fpr=0.01 for 1%")
        conformal.check_size(len(images), fpr)
        ties = conformal.tie_breakers(images.images, seed)
        used = np.isin(ties, self.fitted_on)
        if used.mean() > 0.01:  # a few equal images are no mistake
            raise InputError(
                f"expected calibration inputs that were not used in fit, got {used.mean():.0%} of inputs that were also used in fit; split the clean inputs"
            )
        check_different(ties, fpr)
        labels, scores = self.scored(images, each=each)
        if not (labels >= 0).any():
            raise InputError(
                "expected calibration inputs that the classifier can answer, got NaN or infinite scores for all; check the classifier"
            )
        groups = labels.astype(np.int64) if per_class else None
        self.calibration = Calibration(scores, ties, fpr=fpr, seed=seed, groups=groups)
        return self

    def scan(self, images: Images, *, workers: int | None = None, ray: str | None = None) -> ScanResult:
        """Compute score, p-value and flag of every input. The results do not depend on the batch, the order or the
        other inputs.

        Memory holds one batch of inputs at a time. Items of a source that cannot be read are left out and listed in the
        result's `skipped`. Raises InputError if the detector is not calibrated.
        """
        if self.calibration is None:
            self.fitted_seed()
            raise InputError(f"expected a calibrated detector, got {self!r}; call calibrate(clean, fpr=0.01) first")
        each = self._each(workers, ray)
        read = self.read(images)
        found = self.examine(read.images, each=each)
        verdict = self.judge(found.labels, found.scores, read.images, forwards=found.forwards)
        return replace(verdict, skipped=read.skipped, notes=read.notes)

    def judge(
        self,
        labels: NDArray[Any],
        scores: NDArray[np.float64],
        images: ImageSet,
        *,
        forwards: NDArray[np.int64] | None = None,
        ties: NDArray[np.float64] | None = None,
    ) -> ScanResult:
        """Make a ScanResult from the labels and scores of inputs. `forwards` (N,) holds the number of forward passes
        per input, by default `self.forwards`. `ties` (N,) holds the inputs' tie breakers, or is None if the tie
        breakers are not known yet."""
        calibration = self.calibration
        if calibration is None:
            raise InputError(f"expected a calibrated detector, got {self!r}; call calibrate(clean, fpr=0.01) first")
        groups = labels.astype(np.int64)
        if calibration.groups is not None and (silent := np.unique(groups[calibration.silent(groups)]).tolist()):
            warnings.warn(
                f"expected calibration inputs of every predicted class, got no calibration input predicted as class {', '.join(map(str, silent))}: inputs with that "
                "prediction can't be flagged; add calibration images with that prediction, or leave out per_class",
                stacklevel=3,
            )
        ties = conformal.tie_breakers(images.images, calibration.seed) if ties is None else ties
        p = calibration.p_values(scores, ties, groups)
        return ScanResult(
            ids=images.ids,
            labels=labels,
            scores=scores,
            p_values=p,
            flags=calibration.flags(p),
            fpr=calibration.fpr,
            num_calibration=calibration.smallest,
            limit=calibration.limit(groups),
            forwards=np.full(len(scores), self.forwards) if forwards is None else forwards,
        )

    def score_samples(self, images: Images) -> NDArray[np.float64]:
        """Return only the scores (N,), higher = more suspicious. The detector must be fitted, but need not be
        calibrated."""
        self.fitted_seed()
        return self.scored(self.taken(images))[1]

    def run(self, images: ImageSet) -> Measurement:
        """Prepare a measurement of all probes. `measure` can use the same prepared measurement many times. Model and
        engine are checked on some of these images, unless the check of `fit` is still valid."""
        self.fitted_seed()
        classifier = self.classifier
        if classifier is None:
            what = "fit(classifier, clean)" if self.fitted_for is None else "bind(classifier)"
            raise InputError(
                f"expected a detector with a classifier, got {self!r} without a classifier; call {what} first"
            )
        probes = self.probes()
        check_probes(self, probes)
        run = prepared(
            classifier,
            images,
            probes,
            readouts=self.readouts,
            scores=self.needs != "labels" and classifier.outputs != "labels",
            batch_size=self.batch_size,
            engine=self.engine,
            checked=self.checked if self.checked is not None and self.checked.name == self.engine else None,
        )
        self.engine, self.checked = run.checked.name, run.checked
        return run

    def measure(
        self, images: ImageSet, run: Measurement | None = None, *, each: Each | None = None
    ) -> Iterator[Evidence]:
        """Yield the evidence that `score` needs, batch by batch, with all draws of all stages. Pass the measurement
        `run` of an earlier call, so that no new measurement is prepared."""
        work = Measured(self.stage_runs(images, run))
        found = (each or self.each)(work, blocks_of(images, self.batch_size))
        for (block, _), evidence in zip(blocks_of(images, self.batch_size), found, strict=True):
            self._heard(len(block))
            yield replace(evidence, images=to_float(block))

    def examine(self, images: ImageSet, run: Measurement | None = None, *, each: Each | None = None) -> Examined:
        """Compute the label, the score and the number of forward passes of each input. A detector with stages measures
        a stage only for the inputs that need it."""
        work, found = Examining(self, self.stage_runs(images, run)), list[Examined]()
        for part in (each or self.each)(work, blocks_of(images, self.batch_size)):
            self._heard(len(part.labels))
            found.append(part)
        return Examined.concatenate(found)

    def _each(self, workers: int | None, ray: str | None) -> Each:
        return self.each if workers is None and ray is None else each_by(workers, ray)

    def _heard(self, count: int) -> None:
        if self.on_batch is not None:
            self.on_batch(count)

    def __getstate__(self) -> dict[str, Any]:
        """Return the detector's state for another process, without the functions `on_batch` and `each` of this
        process."""
        return vars(self) | {"on_batch": None, "each": map}

    def stage_runs(self, images: ImageSet, run: Measurement | None = None) -> list[Measurement]:
        """Return one measurement for each stage, with the draws that the stage adds. A detector without stages has one
        measurement with all draws."""
        run = self.run(images) if run is None else run
        return [run.part(draws) for draws in new_draws(self.stages())] or [run]

    def bind(self, classifier: Classifier) -> Self:
        """Give a loaded detector the classifier it was fitted on.

        Raises InputError if the detector was fitted on another classifier. Classifiers are compared by fingerprint,
        which for a function is only its name.
        """
        self.check_classifier(classifier)
        difference = self.differs_from(classifier)
        if difference is not None:
            raise InputError(
                f"expected the model that the detector was fitted on, got another model ({difference}); fit and calibrate again, or open the right model"
            )
        self.classifier = classifier
        return self

    def differs_from(self, classifier: Classifier) -> str | None:
        """Say in words how a classifier differs from the classifier that the detector was fitted on. The result is None
        if both classifiers are the same."""
        if self.fitted_for is None:
            raise InputError(f"expected a fitted detector, got {self!r}; call fit(classifier, clean) first")
        fingerprint, shape, num_classes = self.fitted_for
        if classifier.input_shape != shape:
            return f"it takes images of shape {classifier.input_shape}, not {shape}"
        if classifier.num_classes != num_classes:
            return f"it has {classifier.num_classes} classes, not {num_classes}"
        return None if classifier.fingerprint == fingerprint else "its weights or its preprocessing differ"

    def check_classifier(self, classifier: Classifier) -> None:
        """Raise an error if the classifier does not give what the detector needs (labels, scores or weights)."""
        if not is_kind(classifier, Classifier):
            raise InputError(f"expected a Classifier, got {type(classifier).__name__}; use dd.as_classifier first")
        if self.needs == "scores" and classifier.outputs == "labels":
            raise ClassifierError(
                f"expected a model with scores for the detector {self.name}, got labels only; use a detector that needs only labels"
            )
        if self.needs == "weights" and getattr(classifier, "module", None) is None:
            raise ClassifierError(
                f"expected a torch network for {self.name}, which changes its weights, got a model that gives only its answers; open it as a "
                "checkpoint of doldrum train, or as an nn.Module in Python, or use a detector that needs only labels or scores"
            )

    @property
    def forwards(self) -> int:
        """The largest number of forward passes per input. If the probes depend on `fit`, call `fit` first.

        Each stage of a staged detector measures the unperturbed image again, which costs one extra forward pass.
        """
        return max(1, len(self.stages())) + sum(len(p.strengths) * p.draws for p in self.probes().values())

    def scored(
        self, images: ImageSet, run: Measurement | None = None, *, each: Each | None = None
    ) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
        """Labels and scores (N,). A higher score is more suspicious. The score is infinite if the classifier gave no
        answer."""
        found = self.examine(images, run, each=each)
        return found.labels, found.scores

    def taken(self, images: Images) -> ImageSet:
        """Images as an ImageSet of the shape that the classifier takes. Raises InputError if an item can't be read."""
        return self.read(images).whole()

    def read(self, images: Images) -> ImageRead:
        """Read images, and fit them to the shape that the classifier takes. The result also lists the items that could
        not be read."""
        if self.classifier is not None:
            found = read_stream(images, **wanted_by(self.classifier))
        else:
            found = read_stream(images, shape=None if self.fitted_for is None else self.fitted_for[1])
        if self.fitted_for is not None:
            check_shape(found.images.input_shape, self.fitted_for[1])
        return found
