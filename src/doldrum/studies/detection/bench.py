"""Run every detector on the same inputs.

Each battery (a set of perturbations) is measured once. The results are used for all detectors and budgets that need the
same battery.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers import Classifier
from doldrum.data import ImageSet
from doldrum.detectors import DETECTORS, RPP, STRIP, Detector, Evidence, StagedProfile, TeCo, W
from doldrum.errors import ClassifierError, InputError
from doldrum.measuring import Answers, Measurement
from doldrum.probes import CORRUPTIONS, ImageProbe, Probe
from doldrum.responses import Responses
from doldrum.studies.base import unknown

__all__ = ["ALL", "EQUAL", "PAPER", "Bench", "Scored", "Variant", "chosen", "cut", "make_bench"]

PAPER, EQUAL = "paper", "equal"
ALL = "all"
"""Instead of names of detectors: all detectors of a study."""
_DRAWS = 63  # and the unperturbed input: 64 forwards
_KINDS = 12  # of 14 kinds of corruption at 5 severities


@dataclass(frozen=True)
class _Entry:
    """A detector at one budget of forward passes.

    The model is measured with the probes of the detector `source`, and the detector `scorer` computes the scores from
    these responses. If `draws` or `conditions` is given, only the first draws or conditions are used, up to this
    number.
    """

    name: str
    budget: str
    source: Detector
    scorer: Detector
    draws: int | None = None
    conditions: int | None = None


@dataclass(frozen=True)
class Variant:
    """The scores and the cost of one detector with one budget of forward passes.

    `scores` holds an array for each part of the inputs. `costs` holds the names of the `detector` and the `budget`, and
    the `forwards` and CPU `milliseconds` per input.
    """

    scores: Mapping[str, NDArray[np.float64]]
    costs: Mapping[str, Any]


@dataclass(frozen=True)
class Scored:
    """The predicted labels of each part of the inputs (such as "test"), and the scores of every detector with every
    budget."""

    labels: Mapping[str, NDArray[np.int16]]
    variants: tuple[Variant, ...]
    engines: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class _Measured:
    """The model's outputs for a battery (a set of perturbations), with the CPU seconds per input and the name of the
    engine."""

    probes: Mapping[str, Probe]
    answers: Answers
    seconds: float
    engine: str

    def of(self, probe: Probe) -> Responses:
        """The responses to a probe. The probe is found by its settings, since two detectors may use different names for
        it."""
        return next(
            self.answers.responses[name] for name, p in self.probes.items() if _key({"": p}) == _key({"": probe})
        )


@dataclass
class Bench:
    """The detectors that were fitted to one classifier. `refused` lists the name of each detector that could not be
    fitted, with the reason."""

    model: Classifier
    entries: list[_Entry] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def score(self, parts: Mapping[str, NDArray[np.float32]]) -> Scored:
        """Score all parts of the inputs, with one measurement per battery (set of perturbations).

        The scores are the same as those of `Detector.score_samples`.
        """
        images = np.concatenate(list(parts.values()))
        rows = dict(
            zip(parts, np.split(np.arange(len(images)), np.cumsum([len(x) for x in parts.values()])[:-1]), strict=True)
        )
        shared = self._measured(images)
        variants = []
        for entry in self.entries:
            found = shared[_key(entry.source.probes())]
            responses = {
                name: cut(found.of(probe), draws=entry.draws, conditions=entry.conditions)
                for name, probe in entry.source.probes().items()
            }
            answers = found.answers
            evidence = Evidence(images, answers.labels, self.model.num_classes, responses, answers.scores)
            began = time.process_time()
            scores = np.asarray(entry.scorer.score(evidence), dtype=np.float64)
            own = (time.process_time() - began) / len(images)
            scores = np.where(np.isnan(scores), np.inf, scores)
            forwards = 1 + sum(r.draws[0].size for r in responses.values())
            # A budget that takes part of the draws is charged its share of their time.
            probing = found.seconds * forwards / (1 + sum(r.draws[0].size for r in answers.responses.values()))
            costs = {
                "detector": entry.name,
                "budget": entry.budget,
                "forwards": forwards,
                "milliseconds": round(1000 * (probing + own), 4),
            }
            variants.append(Variant({name: scores[index] for name, index in rows.items()}, costs))
        engines = {p.family: b.engine for b in shared.values() for p in b.probes.values()}
        labels = next(iter(shared.values())).answers.labels
        return Scored({name: labels[index] for name, index in rows.items()}, tuple(variants), engines)

    def _measured(self, images: NDArray[np.float32]) -> dict[str, _Measured]:
        """The results of each battery (set of perturbations), by the battery's key."""
        batteries: dict[str, Mapping[str, Probe]] = {}
        readouts: dict[str, set[str]] = {}
        for entry in self.entries:
            probes = entry.source.probes()
            batteries.setdefault(_key(probes), probes)
            readouts.setdefault(_key(probes), set()).update(entry.source.readouts)
        found: dict[str, _Measured] = {}
        engine = "auto"
        for key, probes in batteries.items():
            began = time.process_time()
            of_images = any(isinstance(probe, ImageProbe) for probe in probes.values())
            run = Measurement(
                self.model,
                images,
                probes,
                readouts=sorted(readouts[key]),
                scores=self.model.outputs != "labels",
                engine=engine if of_images else "auto",
            )
            answers = Answers.concatenate(list(run.chunks()))
            engine = run.checked.name if of_images else engine  # chosen once, then pinned
            found[key] = _Measured(probes, answers, (time.process_time() - began) / len(images), run.checked.name)
        return found


def chosen(names: str) -> list[str]:
    """The names of detectors in a text, separated by spaces. Raises InputError for a name that is no detector.

    >>> chosen("strip profile")
    ['profile', 'strip']
    """
    known = [name for name, kind in DETECTORS.items() if kind is not StagedProfile]
    asked = known if names == ALL else names.split()
    odd = [name for name in asked if name not in known]
    if odd:
        raise InputError(unknown(f"{ALL}, or names separated by spaces,", odd[0], known))
    if not asked:
        raise InputError(
            f'expected {ALL}, or names of detectors separated by spaces, got {names!r}; e.g. "profile strip"'
        )
    return [name for name in known if name in asked]


def make_bench(model: Classifier, fit: ImageSet, seed: int, names: str = ALL) -> Bench:
    """Fit the named detectors that work with the classifier, or all detectors, at the budget of their papers. Named
    detectors take at most 64 forward passes.

    A detector that needs more than 64 forward passes is also run with a budget of 64. With a budget of 64, a detector
    uses only its first draws, or its first kinds of corruption. All detectors share one seed, so RPP and W use the same
    draws at the same strength. StagedProfile is left out, because its forward passes differ between inputs;
    `tools/staged-study` measures it.
    """
    bench = Bench(model)
    fitted: dict[str, Detector] = {}

    def add(name: str, make: Any) -> Detector | None:
        try:
            fitted[name] = make().fit(model, fit)
        except (ClassifierError, InputError) as error:
            bench.refused[name] = str(error)
        return fitted.get(name)

    fewer_draws, kinds = {"draws": _DRAWS}, {"kinds": CORRUPTIONS[:_KINDS]}
    at_most: dict[type[Detector], dict[str, Any]] = {W: fewer_draws, RPP: fewer_draws, STRIP: fewer_draws, TeCo: kinds}
    asked = {DETECTORS[name]: {} if names == ALL else at_most.get(DETECTORS[name], {}) for name in chosen(names)}
    for kind, settings in asked.items():
        if kind is not RPP:
            add(kind.name, lambda kind=kind, settings=settings: kind(seed=seed, **settings))
    if RPP in asked:
        strength = getattr(fitted.get(W.name), "strength_", None)
        add(RPP.name, lambda: RPP(seed=seed, strength=strength, **asked[RPP]))
    for name, detector in fitted.items():
        if asked[type(detector)]:
            bench.entries.append(_Entry(name, EQUAL, detector, detector))
            continue
        bench.entries.append(_Entry(name, PAPER, detector, detector))
        if name in (W.name, RPP.name, STRIP.name):
            bench.entries.append(_Entry(name, EQUAL, detector, detector, draws=_DRAWS))
        elif isinstance(detector, TeCo):
            fewer = TeCo(kinds=detector.kinds[:_KINDS], table=detector.table, seed=seed).fit(model, fit)
            bench.entries.append(_Entry(name, EQUAL, detector, fewer, conditions=5 * _KINDS))
    if not bench.entries:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in bench.refused.items())
        raise InputError(f"expected at least one detector that works with the model, got none; {reasons}")
    order = list(DETECTORS)
    bench.entries.sort(key=lambda e: order.index(e.name))
    return bench


def cut(responses: Responses, *, draws: int | None = None, conditions: int | None = None) -> Responses:
    """Keep only the first responses: at most `conditions` conditions, and at most `draws` draws of each condition.

    >>> r = Responses(np.arange(8).reshape(1, 2, 4) % 3, np.array([0]), strengths=[0.1, 0.2], num_classes=3)
    >>> cut(r, draws=2, conditions=1).draws.tolist()
    [[[0, 1]]]
    """
    if draws is None and conditions is None:
        return responses
    part = (slice(None), slice(conditions), slice(draws))
    return replace(
        responses,
        draws=responses.draws[part],
        strengths=responses.strengths[:conditions],
        readouts={name: values[part] for name, values in responses.readouts.items()},
    )


def _key(probes: Mapping[str, Probe]) -> str:
    return json.dumps([probe.to_dict() for probe in probes.values()], sort_keys=True, default=str)
