"""Measurement: a classifier, images and probes that are checked and prepared for a run.

All functions that measure use this class.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_kind, is_whole
from doldrum.classifiers.base import Classifier
from doldrum.data import Images
from doldrum.engines import Engine, build_engine, default_rows
from doldrum.engines.direct import DirectEngine
from doldrum.errors import InputError
from doldrum.measuring.adaptive import Course, adaptive_chunks
from doldrum.measuring.answers import Answers
from doldrum.measuring.battery import Battery, as_probes, count_draws
from doldrum.measuring.checked import Checked
from doldrum.measuring.checks import check_all, check_memory, check_shape
from doldrum.measuring.inputs import Inputs
from doldrum.measuring.readouts import Readings, check_readouts
from doldrum.measuring.tiles import TilePlan, make_tiles, plan_tiles
from doldrum.measuring.until import Rule
from doldrum.pixels import to_float
from doldrum.probes import ImageProbe, Probe
from doldrum.provenance import versions_and_machine
from doldrum.responses import Responses

__all__ = ["Measurement"]


class Measurement:
    """A checked and prepared run. `chunks()` gives the Answers of `batch_size` inputs at a time, in order.

    The arguments are the same as for `measure`, plus `scores` and `checked`. `scores` requests the probabilities of the
    unperturbed inputs, even without readouts. In contrast to `measure`, the mapping of probes may be empty. `checked`
    holds the results of the checks of an earlier run (`Measurement.checked`). If `checked` is still valid
    (`Checked.holds`), the model is not run for checks, and the engine in `checked` is used instead of `engine`.

    The values of `readouts` are only in the chunks in memory; `measure_to` writes labels only. Items of `images` that
    can't be read are left out, and listed in `inputs.skipped` as (id, reason).
    """

    def __init__(
        self,
        classifier: Classifier,
        images: Images,
        probe: Probe | Mapping[str, Probe],
        *,
        batch_size: int = 256,
        engine: str = "auto",
        readouts: Sequence[str] = (),
        scores: bool = False,
        until: Rule | None = None,
        checked: Checked | None = None,
    ) -> None:
        if not is_kind(classifier, Classifier):
            raise InputError(f"expected a Classifier, got {type(classifier).__name__}; use dd.as_classifier first")
        probes = as_probes(probe)
        if not is_whole(batch_size) or batch_size < 1:
            raise InputError(f"expected a whole number of at least 1 as batch_size=, got {batch_size!r}; e.g. 256")
        if until is not None and not is_kind(until, Rule):
            raise InputError(
                f"expected a stopping rule as until=, got a value of type {type(until).__name__}; e.g. dd.until.Decided(0.2, alpha=0.01)"
            )
        if until is not None and (readouts or len(probes) != 1 or not isinstance(probe, ImageProbe)):
            raise InputError(
                "expected one probe that perturbs images, and no readouts, because until= is given, got several probes, a probe that perturbs the model, or readouts; leave out until="
            )
        self.inputs = Inputs(images, classifier)
        check_shape(self.inputs.shape[1:], classifier.input_shape)
        self.until = until
        self.classifier, self.batch_size = classifier, int(batch_size)
        check_memory(min(self.batch_size, len(self.inputs)), count_draws(probes))
        self.readouts, self.scores = check_readouts(classifier, readouts, scores=scores), bool(scores or readouts)
        self.battery = Battery(probes, classifier.input_shape)
        for variant, _, _ in self.battery.variants.values():
            variant.model(classifier, 0, 0)  # raises where the probe can't perturb this model
            break
        plan = plan_tiles(self.battery.image_rows, target=default_rows(classifier.input_shape))
        self.engine: Engine
        if checked is not None and checked.holds(classifier, plan.rows):
            classifier.check_state()
            self.engine = build_engine(classifier, checked.choice.engine, checked.choice.precision, plan.rows)
        else:
            # An engine pays where each input is perturbed many times, and one has to be made for each perturbed model.
            engine = "eager" if engine == "auto" and not self.battery.bound else engine
            self.engine, checked = check_all(classifier, self.inputs, self.battery, engine, rows=plan.rows)
        self.checked = checked
        self.plan: TilePlan = plan.shared(checked.choice.mixes_inputs)
        self._compiled: dict[int, Engine] = {}
        self._parts: dict[tuple[tuple[str, int, int], ...], Measurement] = {}
        self.info: dict[str, Any] = {
            "classifier": checked.classifier,
            "outputs": classifier.outputs,
            **_settings(probes),
            "engine": checked.choice.to_dict(),
            **({"until": until.to_dict()} if until else {}),
            "notes": [*checked.notes, *self.inputs.notes],
            **versions_and_machine(),
        }
        self.infos = {name: {**self.info, **_settings({name: p})} for name, p in probes.items()}
        """The value of `Responses.info` for each probe."""

    def __len__(self) -> int:
        return len(self.inputs)

    def part(self, draws: Mapping[str, range]) -> Measurement:
        """A copy of this run with only some draws of each condition (see `Battery.part`). Detectors use such copies to
        measure inputs in stages.

        In the copy, a batch has no more rows than one input needs for the selected draws. So a stage costs little even
        for a single image. The model is not run here. Row 0 is the unperturbed image, as in every battery.
        """
        if self.until is not None:
            raise InputError(
                "expected a run without until= for a measurement in stages, got a run with until=; leave out until="
            )
        key = tuple((name, each.start, each.stop) for name, each in draws.items())
        if key not in self._parts:
            made = copy.copy(self)
            made.battery = self.battery.part(draws)
            rows = made.battery.rows
            made.plan = plan_tiles(rows, target=min(rows, default_rows(self.classifier.input_shape)))
            choice = self.checked.choice
            made.engine = build_engine(self.classifier, choice.engine, choice.precision, made.plan.rows)
            made._compiled, made._parts = {}, {}
            self._parts[key] = made
        return self._parts[key]

    @property
    def probe(self) -> Probe:
        """The probe of this measurement. Raises InputError if the measurement does not have exactly one probe."""
        if len(self.battery.probes) != 1:
            raise InputError(
                f"expected a measurement of one probe, got {len(self.battery.probes)} probes; measure each probe into its own folder"
            )
        return next(iter(self.battery.probes.values()))

    def blocks(self, start: int = 0) -> Iterator[tuple[NDArray[Any], list[str]]]:
        """Yield the images and ids of blocks of `batch_size` inputs, from the input with number `start` to the last
        input."""
        for first in range(start, len(self), self.batch_size):
            yield self.inputs.block(first, first + self.batch_size)

    def chunks(self, start: int = 0) -> Iterator[Answers]:
        """Yield the Answers for blocks of `batch_size` inputs, from the input with number `start` to the last input."""
        return self.answer(self.blocks(start))

    def answer(self, blocks: Iterable[tuple[NDArray[Any], list[str]]]) -> Iterator[Answers]:
        """The Answers for blocks of images and ids, in order."""
        if self.until is not None:
            (name,) = self.battery.probes
            for found in adaptive_chunks(self._course(self.until, name), blocks):
                yield Answers(found.labels, {name: found})
            return
        for images, ids in blocks:
            yield self._answers(self._run(to_float(images)), ids)

    def _course(self, until: Rule, name: str) -> Course:
        return Course(
            engine=self.engine,
            shares_tiles=self.checked.choice.mixes_inputs,
            bound=self.battery.bound[name],
            strengths=self.probe.strengths,
            draws=self.probe.draws,
            num_classes=self.classifier.num_classes,
            until=until,
            batch_size=self.batch_size,
            info=self.info,
        )

    def __getstate__(self) -> dict[str, Any]:
        """The state to send to another process.

        The state leaves out the inputs, and all objects that the other process can rebuild from the settings.
        """
        state = {
            k: v for k, v in self.__dict__.items() if k not in ("inputs", "battery", "engine", "_compiled", "_parts")
        }
        return state | {"probes": self.battery.probes, "draws": self.battery.draws}

    def __setstate__(self, state: dict[str, Any]) -> None:
        probes, draws = state.pop("probes"), state.pop("draws")
        whole = Battery(probes, state["classifier"].input_shape)
        self.battery = whole if draws == whole.draws else whole.part(draws)
        self.__dict__.update(state)
        choice = self.checked.choice
        self.engine = build_engine(self.classifier, choice.engine, choice.precision, self.plan.rows)
        self._compiled, self._parts = {}, {}

    def _run(self, block: NDArray[np.float32]) -> Readings:
        """Measure all rows (see `Battery`) of a block of inputs."""
        readings = Readings(self.classifier, len(block), self.battery.rows, self.readouts, scores=self.scores)
        self.engine.run(make_tiles(self.plan, block, self.battery), readings.put)
        if self.battery.variants:
            # Each pass shows every input once, to one model: tiles hold row 0 of many inputs.
            plain = Battery({}, self.classifier.input_shape)
            plan = plan_tiles(1, target=self.plan.rows).shared(self.checked.choice.mixes_inputs)
            for row in self.battery.variants:

                def put(key: tuple[int, int, int, int], output: NDArray[Any], row: int = row) -> None:
                    readings.put((*key[:2], row, row + 1), output)

                self._variant(row).run(make_tiles(plan, block, plain), put)
        return readings

    def _variant(self, row: int) -> Engine:
        """An engine that runs the perturbed model of one row of the battery.

        The returned engine has the same class as the engine of the unperturbed model.
        """
        if row in self._compiled:
            return self._compiled[row]
        probe, condition, draw = self.battery.variants[row]
        model = probe.model(self.classifier, condition, draw)
        if isinstance(self.engine, DirectEngine):
            return DirectEngine(model, rows=self.engine.rows)  # made in no time: not kept
        self._compiled[row] = type(self.engine)(model, rows=self.engine.rows, precision=self.engine.precision)
        return self._compiled[row]

    def _answers(self, readings: Readings, ids: list[str]) -> Answers:
        scores = None if readings.scores is None else readings.scores.astype(np.float32)
        responses = {
            name: Responses(
                self.battery.split(name, readings.labels),
                readings.labels[:, 0],
                probe.strengths,
                self.classifier.num_classes,
                ids,
                self.infos[name],
                scores,
                {key: self.battery.split(name, values) for key, values in readings.readouts.items()},
            )
            for name, probe in self.battery.probes.items()
        }
        return Answers(readings.labels[:, 0], responses, readings.scores)


def _settings(probes: Mapping[str, Probe]) -> dict[str, Any]:
    """The settings of the probes as JSON-able values: under "probe" if there is one probe, else under "probes", by
    name."""
    made = {name: probe.to_dict() for name, probe in probes.items()}
    return {"probe": next(iter(made.values()))} if len(made) == 1 else {"probes": made}
