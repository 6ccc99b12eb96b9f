"""Every detector on the same inputs: each battery is measured once, and shared by the detectors and budgets that read it."""

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
from doldrum.probes import ImageProbe, Probe
from doldrum.responses import Responses

__all__ = ["EQUAL", "PAPER", "Bench", "Scored", "Variant", "cut", "make_bench"]

PAPER, EQUAL = "paper", "equal"
_DRAWS = 63  # and the unperturbed input: 64 forwards
_KINDS = 12  # of 14 kinds of corruption at 5 severities


@dataclass(frozen=True)
class _Entry:
    """A detector at one budget: it scores the first `draws` draws and `conditions` conditions of what `source` measured."""

    name: str
    budget: str
    source: Detector
    scorer: Detector
    draws: int | None = None
    conditions: int | None = None


@dataclass(frozen=True)
class Variant:
    """One detector at one budget: `scores` by part, and `costs`: `detector`, `budget`, `forwards` and CPU `milliseconds` an input."""

    scores: Mapping[str, NDArray[np.float64]]
    costs: Mapping[str, Any]


@dataclass(frozen=True)
class Scored:
    """The labels of every part of the inputs, and the scores of every detector and budget."""

    labels: Mapping[str, NDArray[np.int16]]
    variants: tuple[Variant, ...]
    engines: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class _Measured:
    """What a battery gave, at which CPU seconds per input, on which engine."""

    probes: Mapping[str, Probe]
    answers: Answers
    seconds: float
    engine: str

    def of(self, probe: Probe) -> Responses:
        """The responses of this probe, whatever another detector with the same battery calls it."""
        return next(
            self.answers.responses[name] for name, p in self.probes.items() if _key({"": p}) == _key({"": probe})
        )


@dataclass
class Bench:
    """Fitted detectors of one classifier; `refused` says why one could not be fitted."""

    model: Classifier
    entries: list[_Entry] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def score(self, parts: Mapping[str, NDArray[np.float32]]) -> Scored:
        """Score all parts in one measurement a battery; scores are those of `Detector.score_samples`."""
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
        """What each battery gave, by its key."""
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


def make_bench(model: Classifier, fit: ImageSet, seed: int) -> Bench:
    """Fit every detector that the classifier can serve, at its paper's budget; those above 64 forwards at 64 too.

    StagedProfile, whose forwards differ from input to input, has a table of its own (`tools/staged-study`). All share one seed, so that RPP and W read the same draws at the same strength. A budget that is a part of another is
    read off its first draws, or its first kinds of corruption.
    """
    bench = Bench(model)
    fitted: dict[str, Detector] = {}

    def add(name: str, make: Any) -> Detector | None:
        try:
            fitted[name] = make().fit(model, fit)
        except (ClassifierError, InputError) as error:
            bench.refused[name] = str(error)
        return fitted.get(name)

    for name, kind in DETECTORS.items():
        if kind not in (RPP, StagedProfile):
            add(name, lambda kind=kind: kind(seed=seed))
    strength = getattr(fitted.get(W.name), "strength_", None)
    add(RPP.name, lambda: RPP(seed=seed, strength=strength))
    for name, detector in fitted.items():
        bench.entries.append(_Entry(name, PAPER, detector, detector))
        if name in (W.name, RPP.name, STRIP.name):
            bench.entries.append(_Entry(name, EQUAL, detector, detector, draws=_DRAWS))
        elif isinstance(detector, TeCo):
            fewer = TeCo(kinds=detector.kinds[:_KINDS], table=detector.table, seed=seed).fit(model, fit)
            bench.entries.append(_Entry(name, EQUAL, detector, fewer, conditions=5 * _KINDS))
    order = list(DETECTORS)
    bench.entries.sort(key=lambda e: order.index(e.name))
    return bench


def cut(responses: Responses, *, draws: int | None = None, conditions: int | None = None) -> Responses:
    """The first draws of the first conditions.

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
