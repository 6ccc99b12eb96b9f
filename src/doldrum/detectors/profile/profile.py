"""SmoothnessProfile: a detector that uses the labels which the model predicts under several kinds of perturbation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_kind, is_whole, whole_number
from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.detectors.contract.evidence import Evidence
from doldrum.detectors.profile import model
from doldrum.detectors.profile.families import FEWEST, RESERVED, OfFamilies
from doldrum.detectors.profile.outlook import Outlook, found_shares, made_up
from doldrum.detectors.profile.surprise import Surprise
from doldrum.detectors.shared.overlays import check_overlays, draw_overlays
from doldrum.errors import InputError
from doldrum.probes import (
    BandNoise,
    Flip,
    Gaussian,
    OverlayProbe,
    PixelAblation,
    Probe,
    Uniform,
    overlay_draws,
    overlay_families,
    with_settings,
)
from doldrum.responses import NOT_TAKEN
from doldrum.seeds import rng
from doldrum.stats import conformal

__all__ = ["SmoothnessProfile"]

# Families under which a trigger keeps its place: calm under them is the trigger's own, as in Backdoor Smoothing.
_NOISES = (Gaussian.family, Uniform.family, PixelAblation.family, BandNoise.family)
# Weights, besides 1 for the joint ratio and for unlikeliness: ratio by family, calm under noises; calm under all changes of content, and under
# one of them at most. Added to these: the highest of the first three parts, and the highest calm. See docs/results/detection-design.md.
_FAMILIES, _CALM, _CONTENT, _ONE_CONTENT = 0.5, 0.25, 2.0, 1.0
_DISTANCE = (
    1.5  # of the distance of the classes, which is no surprise: near 0 if there is nothing to learn about classes
)
_HIGHEST_RATIO, _HIGHEST_CALM = 0.75, 0.5
_FOLDS = 10
# Mean excess of clean inputs over the 90th percentile of each part, by its distance from the median: joint ratio, unlikeliness, ratio of a
# family, calm under noises, and under each change of content. Learnt once, see docs/results/few-images.md.
_SHAPES = 0.4, 0.6, 1.05, 0.25
_CONTENT_SHAPES = {"overlay": 0.34, "cutmix": 0.37, "hybrid": 0.58}
_FLIP_SHAPE = 0.58
_MADE_UP = 200


class SmoothnessProfile(OfFamilies):
    """The score says how much better a trigger explains the labels of an input's perturbed copies than the input's
    class does, and how stable the label is.

    The detector needs only labels, and takes 64 forward passes per input by default. `fit` needs 100 clean inputs
    (1,000 are better), in addition to those for calibration. The method `outlook` estimates, from the inputs of `fit`
    alone, the share of triggered inputs that the fitted detector will flag. The detector knows neither trigger nor
    target. The score has eight parts. Each part is turned into a *surprise*: -log of the share of clean inputs with at
    least this value (`surprise.Surprise`). The score is the weighted sum of the eight surprises, plus 0.75 times the
    highest of the first three, plus 0.5 times the highest of the five that measure stability, plus 1.5 times the
    distance of the classes:

    1. *likelihood ratio, joint* (weight 1): log of p(labels | a clean input of another class with a trigger for this
       label) over p(labels | a clean input of this label). Clean inputs of a label are modelled as a mixture of
       products of multinomials. There is one multinomial per draw, since a draw perturbs all inputs in the same way. A
       few clean inputs are outliers: their perturbed copies get another label. A trigger decides the label of each draw
       with a probability that falls as the strength of the perturbation rises. The likelihood is averaged over many
       curves; each curve gives, for every strength, the probability that the trigger decides the label.
    2. *unlikeliness* (1): -log p(labels | a clean input of this label).
    3. *likelihood ratio, by family* (0.5): the same ratio for each family of perturbations separately; the surprises of
       these ratios are averaged.
    4. *stability under noise* (0.25): the share of draws that kept the label, standardised with the mean and the
       standard deviation of the class. Families that move pixels are left out.
    5. *stability under changes of content* (0.5 each; fewer than four kinds share a weight of 2, with at most 1 each):
       the same stability under four kinds of perturbations that change what the image shows, so that clean inputs
       often change their label. A clean image is laid over the input, as in
       STRIP (`probes.Superimpose`, mode "relative"); a half of the input is replaced by that of another image
       (`probes.CutMix`); the coarse part of the input is replaced by that of another image (`probes.Hybrid`); the input
       is flipped or turned (`probes.Flip`).

    The highest surprises are added because some triggers show in one part alone.

    The *distance of the classes* is log p(labels | a clean input of another class with a trigger) - log p(labels | the
    same, but classes near the predicted class are more probable). Two classes are near if perturbed inputs of one often
    get the label of the other (`nearness.log_nearness`). The distance is low for misclassified clean inputs, whose true
    class is usually near the predicted one.

    The first three parts use the class that the label changes to when a perturbation destroys the trigger (for example,
    when a patch is shifted, or in an all-to-all attack). The others find triggers that the perturbation does not
    destroy. The score is calibrated on clean inputs, so the promised false-positive rate holds even if the statistical
    model is wrong.

    To compute the surprises, each tenth of the clean inputs of `fit` is scored with a model that is fitted on the other
    nine tenths. The overlays are images of `fit`, chosen at random and stored in `overlays_`. If there are fewer images
    than overlays, some images are used several times. `calibrate` refuses images of `fit`, so overlays are never used
    for calibration.

    Parameters
    ----------
    families : mapping of names to probes, optional
        Probes to use instead of `default_families`, with strengths in rising order. The seeds of these probes are
        replaced by the detector's.
    overlays : int, optional
        How many clean images are used as overlays for each input, in addition to `families`; 0 for none. Some overlays
        are also used for halves and coarse parts (`probes.overlay_draws`). The default is 14 overlays, or 0 overlays if
        you pass `families`.
    components : int, optional
        The largest number of mixture components per class. A class has at most one component per 12 of its clean
        inputs. Pass 1 if some inputs of `fit` may be triggered. With more components, triggered inputs of `fit` would
        get their own component, and similar triggered inputs would not be suspicious.
    seed : int, optional

    Source: this project. The designs that were tried, and their results, are in docs/results/detection-design.md.

    `fit` raises InputError if it gets fewer than 10 clean inputs.
    """

    name = "profile"
    paper = "this project; after Grosse et al. 2022, doi 10.1016/j.cose.2022.102814"
    learned: ClassVar[tuple[str, ...]] = ("draws_", "labels_", "shares_", "reference_", "overlays_")

    def __init__(
        self,
        *,
        families: Mapping[str, Probe] | None = None,
        overlays: int | None = None,
        components: int = model.COMPONENTS,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed=seed)
        if families is not None:
            if not is_kind(families, Mapping):
                raise InputError(f"expected families by name, got {families!r}; e.g. {{'noise': Gaussian([0.1])}}")
            odd = [n for n, p in families.items() if not is_kind(p, Probe) or isinstance(p, OverlayProbe)]
            if odd or not families:
                raise InputError(
                    f"expected at least one probe, and none with overlays, got {families}; e.g. Gaussian([0.1]), and overlays=14"
                )
            falling = [n for n, p in families.items() if np.any(np.diff(np.asarray(p.strengths, dtype=float)) <= 0)]
            if falling:
                raise InputError(
                    f"expected strengths in rising order, the weakest first, got {families[falling[0]]} for {falling[0]!r}; sort them"
                )
            taken = [name for name in RESERVED if name in families]
            if taken:
                raise InputError(
                    f"expected a name other than {taken[0]!r} for a family, got this name, which is used for the overlays; rename it"
                )
        if overlays is not None and (not is_whole(overlays) or overlays < 0):
            raise InputError(f"expected the number of overlays to be a whole number from 0 on, got {overlays!r}")
        self.families = None if families is None else dict(families)
        self.overlays = None if overlays is None else int(overlays)
        self.components = whole_number(components, "components", least=1, hint="e.g. 4")
        self.draws_: dict[str, NDArray[Any]] = {}
        self.labels_ = np.zeros(0, dtype=np.int16)
        self.shares_ = self.reference_ = np.zeros((0, 0))
        self.overlays_: NDArray[Any] = np.zeros((0, 1, 1, 1), dtype=np.float32)
        self._ready: tuple[model.Clean, Surprise] | None = None
        self._stage: Mapping[str, int] | None = None

    def restrict(self, draws: Mapping[str, int]) -> None:
        """Use these numbers of draws for the families with overlays: a stage of `StagedProfile` may leave some out."""
        self._stage = {name: draws[name] for name in RESERVED if name in draws}

    def probes(self) -> Mapping[str, Probe]:
        made = {name: with_settings(probe, seed=self.probe_seed(name)) for name, probe in self._given().items()}
        if self._overlaid:
            if self.fitted_for is None:
                raise InputError(f"expected a fitted detector, got {self!r}; call fit(classifier, clean) first")
            for name, probe in overlay_families(self.overlays_, self._overlaid).items():
                probe.seed = self.probe_seed(name)
                made[name] = probe
        return made

    def prepare(self, classifier: Classifier, clean: ImageSet) -> None:
        if len(clean) < FEWEST:
            raise InputError(
                f"expected at least {FEWEST} clean inputs for fit, got {len(clean)}; 100 work well, 500 better"
            )
        self.overlays_ = draw_overlays(clean, self._num_overlays, self.probe_seed("overlays"))

    def learn(self, evidence: Evidence) -> None:
        valid = evidence.labels >= 0
        if valid.sum() < FEWEST:
            raise InputError(
                f"expected at least {FEWEST} clean inputs for fit with finite scores, got {valid.sum()} such inputs of {len(valid)}; check why "
                "the classifier returns NaN or infinite scores"
            )
        self.labels_ = evidence.labels[valid]
        self.draws_ = {k: r.draws[valid] for k, r in evidence.responses.items()}
        self._ready = None
        parts = np.empty((len(self.labels_), self._num_parts))
        for clean, apart in self._left_out(evidence.num_classes):
            parts[apart] = self._parts(clean, {f: d[apart] for f, d in self.draws_.items()}, self.labels_[apart])
        self.reference_ = parts
        self.shares_ = self._shares(self.draws_, self.labels_, evidence.num_classes)

    def _left_out(self, num_classes: int) -> Iterator[tuple[model.Clean, NDArray[np.int64]]]:
        """Divide the inputs of `fit` into tenths. For each tenth, yield a model that is fitted on the other nine
        tenths, and the indices of the inputs in this tenth."""
        fold = np.arange(len(self.labels_)) % _FOLDS
        for k in range(_FOLDS):
            apart, rest = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
            draws, labels = {f: d[rest] for f, d in self.draws_.items()}, self.labels_[rest]
            yield model.Clean(draws, labels, num_classes, self._shares(draws, labels, num_classes)), apart

    def _shares(
        self, draws: Mapping[str, NDArray[np.int16]], labels: NDArray[np.int16], num_classes: int
    ) -> NDArray[np.float64]:
        return model.fit_shares(draws, labels, num_classes, self.components)

    def check_learned(self, input_shape: tuple[int, int, int], num_classes: int) -> None:
        labels, m = self.labels_, len(np.atleast_1d(self.labels_))
        check_overlays(self.overlays_, self._num_overlays, input_shape)
        shapes = {name: (m, len(p.strengths), p.draws) for name, p in self.probes().items()}
        draws = self.draws_ if is_kind(self.draws_, dict) else {}
        fine = (
            is_kind(labels, np.ndarray) and labels.shape == (m,) and labels.dtype == np.int16 and m > 0
            and labels.min() >= 0 and labels.max() < num_classes
            and {k: np.shape(v) for k, v in draws.items()} == shapes
            and all(v.dtype == np.int16 and v.min() >= NOT_TAKEN and v.max() < num_classes for v in draws.values())
        )  # fmt: skip
        for value, width in ((self.shares_, self.components), (self.reference_, self._num_parts)):
            fine = fine and is_kind(value, np.ndarray) and value.shape == (m, width) and value.dtype == np.float64
            fine = fine and bool(np.isfinite(value).all())
        if not fine or self.shares_.min() < 0 or not np.allclose(self.shares_.sum(axis=1), 1):
            raise InputError(
                f"expected the labels of perturbed clean inputs for {len(shapes)} families, got arrays of a wrong shape, type or range; fit again"
            )
        self._ready = None

    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        found = np.full(len(evidence), np.nan)
        valid = np.flatnonzero(evidence.labels >= 0)
        if len(valid):
            if self._ready is None:
                clean = model.Clean(self.draws_, self.labels_, evidence.num_classes, self.shares_)
                self._ready = clean, self._surprise()
            clean, surprise = self._ready
            draws = {k: evidence.responses[k].draws for k in self.draws_}
            if len(valid) < len(evidence):
                draws = {k: d[valid] for k, d in draws.items()}
            found[valid] = self._sum(self._parts(clean, draws, evidence.labels[valid]), surprise)
        return found

    def left_out(self) -> NDArray[np.float64]:
        """The scores of the inputs of `fit` that have finite outputs. Each input is scored with a model that is fitted
        on nine tenths of these inputs, without the input itself.

        Use these scores to rank a set of inputs if you do not know which inputs are clean. No false-positive rate can
        be promised from these scores.
        """
        return self._sum(self.reference_, self._surprise())

    def outlook(self, *, calibration: int, fpr: float = 0.01) -> Outlook:
        """Estimate the share of triggered inputs that will be flagged at a promised false-positive rate, with this
        number of calibration images. The estimate uses only the images of `fit`, and no forward passes.

        Up to 200 images of `fit` get a simulated trigger (`outlook.made_up`). Each image with a trigger is scored with
        a model that was fitted without this image. On average over eleven attacks, the estimated share was near the
        share of real triggers that the detector found. The share for a single trigger may be far from the estimate.
        The estimate was checked with ten classes only. It is not reliable if most classes have no image in `fit`
        (`classes_without`). See docs/results/few-images.md.

        Raises InputError if the detector is not fitted, if `calibration` is no whole number from 1 on, or
        if there are too few calibration inputs to promise `fpr`.
        """
        calibration = whole_number(calibration, "calibration=", least=1, hint="pass the number of calibration images")
        conformal.check_size(calibration, fpr)
        own = rng(self.fitted_seed(), "outlook")
        num_classes = self.fitted_for[2] if self.fitted_for else 0
        scores: list[NDArray[np.float64]] = []
        for clean, apart in self._left_out(num_classes):
            some = apart[: _MADE_UP // _FOLDS]
            draws, labels = made_up({f: d[some] for f, d in self.draws_.items()}, self.labels_[some], num_classes, own)
            scores.append(self._sum(self._parts(clean, draws, labels), self._surprise()))
        shares = found_shares(self.left_out(), np.concatenate(scores), calibration=calibration, fpr=fpr, rng=own)
        return Outlook(
            images=len(self.labels_),
            classes=num_classes,
            classes_without=num_classes - len(np.unique(self.labels_)),
            found=float(shares.mean()),
            unlucky=float(np.sort(shares)[: len(shares) // 10].mean()),
            promise=conformal.realised_fpr(calibration, fpr),
        )

    def _surprise(self) -> Surprise:
        joint, unlikely, family, calm = _SHAPES
        content = [_CONTENT_SHAPES.get(name, _FLIP_SHAPE) for name in self._content]
        return Surprise(self.reference_[:, 1:], [joint, unlikely, *[family] * self._num_families, calm, *content])

    def _sum(self, parts: NDArray[np.float64], surprise: Surprise) -> NDArray[np.float64]:
        """Add the weighted parts (N, parts) of the score to one number per input (N,). All parts but the first, the
        distance of the classes, are turned into surprises."""
        ratios, calm = np.split(surprise(parts[:, 1:]), [2 + self._num_families], axis=1)
        joint, unlikely, families = ratios[:, 0], ratios[:, 1], ratios[:, 2:].mean(axis=1)
        each = min(_ONE_CONTENT, _CONTENT / max(1, len(self._content)))
        total = joint + unlikely + _FAMILIES * families + _CALM * calm[:, 0] + each * calm[:, 1:].sum(axis=1)
        highest = np.maximum(np.maximum(joint, unlikely), families)
        return total + _HIGHEST_RATIO * highest + _HIGHEST_CALM * calm.max(axis=1) + _DISTANCE * parts[:, 0]

    @property
    def _overlaid(self) -> Mapping[str, int]:
        """The number of draws of each family with overlays."""
        return overlay_draws(self._num_overlays) if self._stage is None else self._stage

    @property
    def _content(self) -> list[str]:
        """The names of the families that change what an image shows."""
        given = [name for name, probe in self._given().items() if probe.family == Flip.family]
        return [*given, *self._overlaid]

    @property
    def _num_families(self) -> int:
        return len(self._given()) + len(self._overlaid)

    @property
    def _num_parts(self) -> int:
        return 4 + self._num_families + len(self._content)

    def _parts(
        self, clean: model.Clean, draws: Mapping[str, NDArray[np.int16]], labels: NDArray[np.int16]
    ) -> NDArray[np.float64]:
        """The parts of the score, one column per part (N, parts): the distance of the classes, the joint likelihood
        ratio, unlikeliness, the likelihood ratio of each family, stability under noise, and stability under each family
        that changes what an image shows."""
        given = self._given()
        still = [n for n, p in given.items() if p.family in _NOISES] or list(given)
        calm = [np.mean([clean.calm(n, draws[n], labels) for n in still], axis=0)]
        calm += [clean.calm(n, draws[n], labels) for n in self._content]
        return np.column_stack([clean.ratios(draws, labels), *calm])
