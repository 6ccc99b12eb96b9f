"""SmoothnessProfile: which labels come back, under several kinds of perturbation, from hard labels alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.detectors import profile_model as model
from doldrum.detectors.base import Detector
from doldrum.detectors.evidence import Evidence
from doldrum.detectors.overlays import check_overlays, draw_overlays
from doldrum.errors import InputError
from doldrum.probes import (
    BandNoise,
    Contrast,
    Gaussian,
    PixelAblation,
    Probe,
    Shift,
    Superimpose,
    Uniform,
    Warp,
    probe_from_dict,
)

__all__ = ["OVERLAYS", "SmoothnessProfile", "default_families"]

OVERLAYS = 19
"""Images laid over each input by default."""

# Families under which a trigger keeps its place: calm under them is the trigger's own, as in Backdoor Smoothing.
_NOISES = (Gaussian.family, Uniform.family, PixelAblation.family, BandNoise.family)
# Weights of calm and of calm under overlays, beside 1 for each ratio, and of calm where nothing is laid over; see
# docs/results/detection-design.md.
_CALM, _OVERLAID, _CALM_ALONE = 0.5, 1.5, 1.5
_OVERLAY = "overlay"


def default_families(input_shape: tuple[int, int, int]) -> dict[str, Probe]:
    """The default's families besides overlays, 44 draws in all; shifts and warps in proportion to a side of 28 pixels."""
    pixels = min(input_shape[1:]) / 28
    near, far = max(1, round(2 * pixels)), max(2, round(5 * pixels))
    return {
        "noise": Gaussian([0.1, 0.2, 0.4], draws=3),
        "ablation": PixelAblation([0.1, 0.3, 0.6], draws=3),
        "shift": Shift([near, far], draws=4),
        "warp": Warp([pixels, 3 * pixels], draws=4),
        "contrast": Contrast([0.4, 0.8], draws=3),
        "fine noise": BandNoise([0.2], low=0.3, high=0.75, draws=4),
    }


class SmoothnessProfile(Detector):
    """How much better a trigger explains the labels around an input than clean inputs of its class do, and how calm it is.

    Needs labels only; 64 forwards an input by default; 500 or more clean inputs for `fit`, besides those for calibration. Knows
    neither trigger nor target. Four scores, each centred on clean inputs and divided by their spread, are added:

    1. *likelihood ratio, joint*: log of p(counts | a clean input of another class with a trigger for this label) over
       p(counts | a clean input of this label). Clean inputs are a mixture over those of `fit`, each a multinomial smoothed by
       its class; a trigger wins each draw with a chance that falls with the strength, over all such curves alike.
    2. *likelihood ratio, by family*: the mean of the same ratio taken under each family by itself.
    3. *calm* (weight 0.5): share of draws that kept the label under the families that leave everything in its place, less the
       class's mean, over its spread.
    4. *calm under overlays* (weight 1.5): the same where clean images are laid over the input, as STRIP does, but from labels.

    The first two see which class the label drifts to when a perturbation breaks the trigger (all-to-all, patches under
    shift); the others see triggers that nothing breaks. The sum is calibrated like any score, so the promise doesn't rest on
    the model being right. Without overlays the third has the weight 1.5.

    The overlays are some of the images of `fit`, at random, kept in `overlays_`; `calibrate` refuses images of `fit`, so they
    are never calibrated on.

    Parameters
    ----------
    families : mapping of names to probes, optional
        Instead of `default_families`; strengths in rising order. Their seeds are replaced by the detector's.
    overlays : int, optional
        Images laid over each input, besides those families; 0 for none. Not given: 19 with the default families, none with
        others.
    seed : int, optional

    Source: ours; designs tried, and what each reached, in docs/results/detection-design.md.

    Raises InputError from `fit` for fewer than 50 clean inputs, and for fewer than `overlays`.
    """

    name = "profile"
    paper = "this project; after Grosse et al. 2022, doi 10.1016/j.cose.2022.102814"
    learned: ClassVar[tuple[str, ...]] = ("counts_", "labels_", "centers_", "scales_", "overlays_")

    def __init__(
        self, *, families: Mapping[str, Probe] | None = None, overlays: int | None = None, seed: int | None = None
    ) -> None:
        super().__init__(seed=seed)
        if families is not None:
            if not isinstance(families, Mapping):
                raise InputError(f"expected families by name, got {families!r}; e.g. {{'noise': Gaussian([0.1])}}")
            odd = [n for n, p in families.items() if not isinstance(p, Probe) or isinstance(p, Superimpose)]
            if odd or not families:
                raise InputError(
                    f"expected at least one probe, none with overlays, got {families}; e.g. Gaussian([0.1]), and overlays=19"
                )
            if _OVERLAY in families:
                raise InputError(f"expected another name than {_OVERLAY!r} for a family; that one is the overlays'")
        if overlays is not None and (
            isinstance(overlays, bool) or not isinstance(overlays, (int, np.integer)) or overlays < 0
        ):
            raise InputError(f"expected a whole number of overlays of at least 0, got {overlays!r}")
        self.families = None if families is None else dict(families)
        self.overlays = None if overlays is None else int(overlays)
        self.counts_: dict[str, NDArray[Any]] = {}
        self.labels_ = np.zeros(0, dtype=np.int16)
        self.centers_ = self.scales_ = np.zeros(0)
        self.overlays_: NDArray[Any] = np.zeros((0, 1, 1, 1), dtype=np.float32)
        self._reference: _Reference | None = None

    def probes(self) -> Mapping[str, Probe]:
        made = {name: _reseeded(probe, self.probe_seed(name)) for name, probe in self._given().items()}
        if self._num_overlays:
            if self.fitted_for is None:
                raise InputError(f"expected a fitted detector, got {self!r}; call fit(classifier, clean) first")
            made[_OVERLAY] = Superimpose(self.overlays_, [1.0], seed=self.probe_seed(_OVERLAY))
        return made

    def _given(self) -> Mapping[str, Probe]:
        """The families besides overlays."""
        if self.families is not None:
            return self.families
        return default_families((1, 28, 28) if self.fitted_for is None else self.fitted_for[1])

    @property
    def _num_overlays(self) -> int:
        return (OVERLAYS if self.families is None else 0) if self.overlays is None else self.overlays

    def prepare(self, classifier: Classifier, clean: ImageSet) -> None:
        if len(clean) < 50:
            raise InputError(f"expected at least 50 clean inputs for fit, got {len(clean)}; 500 or more do well")
        if len(clean) < self._num_overlays:
            raise InputError(
                f"expected at least {self._num_overlays} clean inputs for fit, one an overlay, got {len(clean)}; give more, or fewer overlays"
            )
        self.overlays_ = draw_overlays(clean, self._num_overlays, self.probe_seed("overlays"))

    def learn(self, evidence: Evidence) -> None:
        valid = evidence.labels >= 0
        if not valid.any():
            raise InputError("expected clean inputs that the classifier can answer, got NaN or infinite scores for all")
        self.labels_ = evidence.labels[valid]
        self.counts_ = {k: r.counts[valid].astype(np.uint16) for k, r in evidence.responses.items()}
        self._reference = None
        raw = self._raw({k: v.astype(np.float64) for k, v in self.counts_.items()}, self.labels_, leave_out=True)
        low, high = np.percentile(raw, [50, 90], axis=0)
        self.centers_, self.scales_ = low, high - low + 1e-3

    def check_learned(self, input_shape: tuple[int, int, int], num_classes: int) -> None:
        labels, m = self.labels_, len(np.atleast_1d(self.labels_))
        check_overlays(self.overlays_, self._num_overlays, input_shape)
        shapes = {name: (m, len(p.strengths), num_classes) for name, p in self.probes().items()}
        fine = (
            isinstance(labels, np.ndarray) and labels.shape == (m,) and labels.dtype.kind == "i" and m > 0
            and labels.min() >= 0 and labels.max() < num_classes
            and isinstance(self.counts_, dict) and {k: np.shape(v) for k, v in self.counts_.items()} == shapes
            and all(v.dtype.kind == "u" for v in self.counts_.values())
        )  # fmt: skip
        for value in (self.centers_, self.scales_):
            parts = 1 + len(shapes) + len(self._calm_names())
            fine = fine and isinstance(value, np.ndarray) and value.shape == (parts,)
            fine = fine and bool(np.isfinite(value).all())
        if not fine or not (self.scales_ > 0).all():
            raise InputError(f"expected counts of {len(shapes)} families around clean inputs, got others; fit again")
        self._reference = None

    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        found = np.full(len(evidence), np.nan)
        valid = np.flatnonzero(evidence.labels >= 0)
        if len(valid):
            counts = {k: evidence.responses[k].counts[valid].astype(np.float64) for k in self.counts_}
            found[valid] = self._sum(self._raw(counts, evidence.labels[valid]))
        return found

    def left_out(self) -> NDArray[np.float64]:
        """Scores of the valid inputs of `fit` themselves, each left out of the mixture that it is held against.

        For ranking inputs among one another where none is known to be clean; no promise can rest on them.
        """
        counts = {k: v.astype(np.float64) for k, v in self.counts_.items()}
        return self._sum(self._raw(counts, self.labels_, leave_out=True))

    def _sum(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, parts) -> (N,): the scores, standardised, weighted and added."""
        z, families = (raw - self.centers_) / self.scales_, len(self.counts_)
        ratios, calm = z[:, 0] + z[:, 1 : 1 + families].mean(axis=1), z[:, 1 + families :]
        if not self._num_overlays:
            return ratios + _CALM_ALONE * calm.mean(axis=1)
        return ratios + _CALM * calm[:, :-1].mean(axis=1) + _OVERLAID * calm[:, -1]

    def _calm_names(self) -> list[str]:
        """Families whose calm is read; that under overlays last."""
        given = self._given()
        still = [n for n, p in given.items() if p.family in _NOISES] or list(given)
        return [*still, _OVERLAY] if self._num_overlays else still

    def _raw(
        self, counts: dict[str, NDArray[np.float64]], labels: NDArray[np.int16], *, leave_out: bool = False
    ) -> NDArray[np.float64]:
        """(N, 1 + families + noises): the joint ratio, each family's, and calm under each noise and under overlays.

        `leave_out`: the inputs are those of `fit`, and each is left out of the mixture that it is held against.
        """
        if self._reference is None:
            self._reference = _Reference(self.counts_, self.labels_)
        reference, noises = self._reference, self._calm_names()
        out = np.empty((len(labels), 1 + len(counts) + len(noises)))
        for label in np.unique(labels):
            mine = np.flatnonzero(labels == label)
            some = {k: v[mine] for k, v in counts.items()}
            null, alternative = reference.likelihoods(some, int(label), leave_out=leave_out)
            ratios = [_mean(sum(alternative.values())) - _mean(sum(null.values()))]
            ratios += [_mean(alternative[k]) - _mean(null[k]) for k in counts]
            calms = [
                (model.calm(some[k], labels[mine]) - reference.calm[k][label]) / reference.spread[k][label]
                for k in noises
            ]
            out[mine] = np.stack([*ratios, *calms], axis=1)
        return out


class _Reference:
    """The clean inputs of `fit`, made ready: their smoothed probabilities, and each class's calm."""

    def __init__(self, counts: dict[str, NDArray[Any]], labels: NDArray[np.int16]) -> None:
        classes = next(iter(counts.values())).shape[-1]
        self.labels = labels
        self.rates, self.probabilities, self.logs = {}, {}, {}
        self.calm: dict[str, NDArray[np.float64]] = {}
        self.spread: dict[str, NDArray[np.float64]] = {}
        for name, raw in counts.items():
            c = raw.astype(np.float64)
            self.rates[name] = model.class_rates(c, labels, classes)
            self.probabilities[name] = model.smoothed(c, labels, self.rates[name])
            self.logs[name] = np.log(self.probabilities[name])
            kept = model.calm(c, labels)
            groups = [kept[labels == k] if (labels == k).sum() > 2 else kept for k in range(classes)]
            self.calm[name] = np.array([g.mean() for g in groups])
            self.spread[name] = np.array([g.std() for g in groups]) + 0.05

    def likelihoods(
        self, counts: dict[str, NDArray[np.float64]], label: int, *, leave_out: bool
    ) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
        """Log likelihoods (N, M) and (N, M') by family: around clean inputs of `label`, and of others with a trigger for it.

        Where `fit` saw no input of a kind, the classes' rates stand in.
        """
        same, other = self.labels == label, self.labels != label
        null, alternative = {}, {}
        for name, c in counts.items():
            p, logs = self.probabilities[name], self.logs[name]
            found = model.log_likelihood(c, logs)
            null[name] = found[:, same] if same.any() else model.log_likelihood(c, np.log(self.rates[name][[label]]))
            if leave_out and same.sum() > 1:
                null[name][np.diag_indices(len(c))] = -np.inf
            apart, around = p[other], found[:, other]
            if not other.any():
                apart = np.delete(self.rates[name], label, axis=0)
                around = model.log_likelihood(c, np.log(apart))
            alternative[name] = model.log_alternative(around, c, apart[:, :, label], label)
        return null, alternative


def _mean(logs: Any) -> NDArray[np.float64]:
    """Log of the mean over the mixture, (N, M) -> (N,)."""
    finite = np.isfinite(logs).sum(axis=1)
    return model.log_sum(logs, axis=1) - np.log(finite)


def _reseeded(probe: Probe, seed: int) -> Probe:
    settings = probe.to_dict()
    return probe_from_dict({**settings, "seed": seed}) if "seed" in settings else probe
