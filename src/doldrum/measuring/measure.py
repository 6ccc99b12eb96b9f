"""measure: the one way from a classifier, images and a probe to Responses."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_kind, is_whole
from doldrum.classifiers.base import Classifier
from doldrum.data import Images
from doldrum.engines import Engine, build_engine, choose_engine, default_rows
from doldrum.engines.direct import DirectEngine
from doldrum.errors import InputError
from doldrum.measuring.adaptive import Course, adaptive_chunks
from doldrum.measuring.checks import check_classifier, check_memory, check_shape, perturbed_sample
from doldrum.measuring.inputs import Inputs
from doldrum.measuring.readouts import Readings, check_readouts
from doldrum.measuring.tiles import TilePlan, make_tiles, plan_tiles
from doldrum.measuring.until import Rule
from doldrum.pixels import to_float
from doldrum.probes import BoundProbe, ImageProbe, ModelProbe, Probe
from doldrum.progress import progress_bar
from doldrum.provenance import versions_and_machine
from doldrum.responses import Responses

__all__ = ["Measurement", "measure"]


def measure(
    classifier: Classifier,
    images: Images,
    probe: Probe,
    *,
    batch_size: int = 256,
    engine: str = "auto",
    progress: bool = True,
    readouts: Sequence[str] = (),
    until: Rule | None = None,
) -> Responses:
    """Perturb every image (or the model) as the probe says and note the label of every draw.

    Parameters
    ----------
    classifier : Classifier
        From :func:`doldrum.as_classifier`. It is checked on a first small batch before anything long is started.
    images : ImageSet or array (N, C, H, W), or any source of images
        uint8, or floats in [0, 1]; the classifier's input shape. A torch Dataset or DataLoader, a Hugging Face data set, a list of
        Pillow images or arrays, a generator: see :func:`doldrum.data.read_stream`; an item that can't be read is an error, before any draw.
        Anything with a shape that gives slices will do, and is never held whole:
        :func:`doldrum.measuring.collected.collect_images` makes it of folders, archives and tables.
    probe : Probe
        E.g. ``dd.probes.Gaussian([0.05, 0.1, 0.2, 0.4], draws=100, seed=0)``.
    batch_size : int
        Inputs taken up at a time; bounds memory and changes nothing else. The engine's own batches have one fixed
        number of rows whatever this is.
    engine : "auto" or a name in `doldrum.engines.ENGINES`
        "auto" takes the fastest whose labels agree with fp32 on these images; `Responses.info` says which, and how well.
        For a probe that perturbs the model it is "eager": compiling each perturbed model takes a second or two, which
        pays from some thousands of inputs; name an engine there.
    progress : bool
        Draw a progress bar when standard error is a terminal.
    readouts : names of "entropy", "confidence", "change"
        Of every draw's probabilities: their entropy (nats), the probability of the base label, the L1 distance from the
        unperturbed input's probabilities. They, and those probabilities (`Responses.scores`), need a classifier that gives
        scores, and depend on the engine's precision.
    until : rule, optional
        E.g. ``dd.until.Decided(0.2, alpha=0.01)``: an input takes draws, `probe.draws` at most, until the rule is content
        with it. Its draws are the first ones of a full measurement; the others are `NOT_TAKEN`. `until.read(responses)`
        gives decisions, limits and numbers of draws. Plug-in W of different numbers of draws must not be compared.

    Returns
    -------
    Responses
        Labels are the same for every batch size, order and slice of the images on a given engine and precision.

    Raises
    ------
    InputError, ClassifierError
        Before any work, when images and classifier don't fit, the classifier does not keep its contract, or it can't serve
        the probe or the readouts.

    Examples
    --------
    >>> import doldrum as dd
    >>> clf = dd.as_classifier(lambda x: (x.mean(axis=(1, 2, 3)) > 0.5).astype(int),
    ...                        input_shape=(1, 2, 2), num_classes=2, outputs="labels")
    >>> r = dd.measure(clf, np.full((1, 1, 2, 2), 0.5), dd.probes.Gaussian([0.1], draws=200, seed=0))
    >>> r.counts.sum(), r.draws.shape
    (np.int64(200), (1, 1, 200))
    """
    run = Measurement(classifier, images, probe, batch_size=batch_size, engine=engine, readouts=readouts, until=until)
    run.inputs.check_whole()
    shape = len(run), len(probe.strengths), probe.draws
    check_memory(*shape, what="a measurement", hint="write to a folder as it goes (dd.measuring.measure_to)")
    with progress_bar("measuring", len(run), show=progress) as advance:
        chunks: list[Responses] = []
        for chunk in run.chunks():
            chunks.append(chunk)
            advance(len(chunk))
    responses = Responses.concatenate(chunks)
    if responses.num_invalid:
        warnings.warn(
            f"expected finite scores, got NaN or infinities for {responses.num_invalid} draws or inputs; "
            "they are marked invalid and counted nowhere (Responses.num_invalid)",
            stacklevel=2,
        )
    return responses


class Measurement:
    """A checked and prepared run: `chunks()` gives Responses of `batch_size` inputs at a time, in order.

    With `readouts`, chunks hold them in memory; `measure_to` writes labels only. Items of `images` that can't be read are left out, and
    are in `inputs.skipped` as (id, why).
    """

    def __init__(
        self,
        classifier: Classifier,
        images: Images,
        probe: Probe,
        *,
        batch_size: int = 256,
        engine: str = "auto",
        readouts: Sequence[str] = (),
        until: Rule | None = None,
    ) -> None:
        if not is_kind(classifier, Classifier):
            raise InputError(f"expected a Classifier, got {type(classifier).__name__}; use dd.as_classifier first")
        if not isinstance(probe, (ImageProbe, ModelProbe)):
            raise InputError(f"expected a probe, got {type(probe).__name__}; e.g. dd.probes.Gaussian([0.1])")
        if not is_whole(batch_size) or batch_size < 1:
            raise InputError(f"expected a whole number of at least 1 as batch_size, got {batch_size!r}; e.g. 256")
        if until is not None and not is_kind(until, Rule):
            raise InputError(f"expected a rule, got {type(until).__name__}; e.g. dd.until.Decided(0.2, alpha=0.01)")
        if until is not None and (readouts or isinstance(probe, ModelProbe)):
            raise InputError("expected until= with a probe of images and without readouts, got both; leave one out")
        self.inputs = Inputs(images, classifier)
        check_shape(self.inputs.shape[1:], classifier.input_shape)
        self.until = until
        self.classifier, self.probe, self.batch_size = classifier, probe, int(batch_size)
        check_memory(min(self.batch_size, len(self.inputs)), len(probe.strengths), probe.draws)
        notes = [*check_classifier(classifier, to_float(self.inputs.spread(8))), *self.inputs.notes]
        self.readouts = check_readouts(classifier, readouts)
        self.bound: BoundProbe | None
        if isinstance(probe, ModelProbe):
            self.bound = None
            # Each pass shows every input once, to one model: tiles hold row 0 of many inputs.
            plan = plan_tiles(0, probe.draws, target=default_rows(classifier.input_shape))
            engine = "eager" if engine == "auto" else engine
            probe.model(classifier, 0, 0)  # raises where the probe can't perturb this model
        else:
            self.bound = probe.bind(classifier.input_shape)
            plan = plan_tiles(len(probe.strengths), probe.draws, target=default_rows(classifier.input_shape))
        sample = perturbed_sample(self.inputs, self.bound, plan, probe.seed)
        self.engine: Engine
        self.engine, choice = choose_engine(classifier, engine, rows=plan.rows, sample=sample)
        self.plan: TilePlan = plan.shared(choice.mixes_inputs)
        self.shares_tiles = choice.mixes_inputs
        self._compiled: dict[int, Engine] = {}
        self.info: dict[str, Any] = {
            "classifier": classifier.fingerprint,
            "outputs": classifier.outputs,
            "probe": probe.to_dict(),
            "engine": choice.to_dict(),
            **({"until": until.to_dict()} if until else {}),
            "notes": notes,
            **versions_and_machine(),
        }

    def __len__(self) -> int:
        return len(self.inputs)

    def blocks(self, start: int = 0) -> Iterator[tuple[NDArray[Any], list[str]]]:
        """Images and ids of inputs `start`.., `batch_size` at a time."""
        for first in range(start, len(self), self.batch_size):
            yield self.inputs.block(first, first + self.batch_size)

    def chunks(self, start: int = 0) -> Iterator[Responses]:
        """Responses of inputs `start`.., `batch_size` at a time."""
        return self.answer(self.blocks(start))

    def answer(self, blocks: Iterable[tuple[NDArray[Any], list[str]]]) -> Iterator[Responses]:
        """Responses of blocks of images and their ids, in order."""
        if self.until is not None:
            yield from adaptive_chunks(self._course(self.until), blocks)
            return
        for images, ids in blocks:
            yield self._responses(self._run(to_float(images)), ids)

    def _course(self, until: Rule) -> Course:
        assert self.bound is not None
        return Course(
            engine=self.engine,
            shares_tiles=self.shares_tiles,
            bound=self.bound,
            strengths=self.probe.strengths,
            draws=self.probe.draws,
            num_classes=self.classifier.num_classes,
            until=until,
            batch_size=self.batch_size,
            info=self.info,
        )

    def __getstate__(self) -> dict[str, Any]:
        """For another process: everything but the inputs and what is made there from the same settings."""
        state = {k: v for k, v in self.__dict__.items() if k not in ("inputs", "bound", "engine", "_compiled")}
        return state | {"engine": (self.engine.name, self.engine.precision, self.engine.rows)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        name, precision, rows = state["engine"]
        self.bound = None if isinstance(self.probe, ModelProbe) else self.probe.bind(self.classifier.input_shape)
        self.engine = build_engine(self.classifier, name, precision, rows)
        self._compiled = {}

    def _run(self, block: NDArray[np.float32]) -> Readings:
        """Every row of some inputs: 0, the unperturbed one, then condition by condition, draw by draw."""
        pairs = 1 + len(self.probe.strengths) * self.probe.draws
        readings = Readings(self.classifier, len(block), pairs, self.readouts)
        self.engine.run(make_tiles(self.plan, block, self.bound), readings.put)
        if isinstance(self.probe, ModelProbe):
            for row in range(1, pairs):

                def put(key: tuple[int, int, int, int], output: NDArray[Any], row: int = row) -> None:
                    readings.put((*key[:2], row, row + 1), output)

                self._variant(row).run(make_tiles(self.plan, block, None), put)
        return readings

    def _variant(self, row: int) -> Engine:
        """The perturbed model of one draw, on the kind of engine that runs the model itself."""
        assert isinstance(self.probe, ModelProbe)
        if row in self._compiled:
            return self._compiled[row]
        model = self.probe.model(self.classifier, *divmod(row - 1, self.probe.draws))
        if isinstance(self.engine, DirectEngine):
            return DirectEngine(model, rows=self.engine.rows)  # made in no time: not kept
        self._compiled[row] = type(self.engine)(model, rows=self.engine.rows, precision=self.engine.precision)
        return self._compiled[row]

    def _responses(self, readings: Readings, ids: list[str]) -> Responses:
        shape = (len(ids), len(self.probe.strengths), self.probe.draws)
        return Responses(
            readings.labels[:, 1:].reshape(shape),
            readings.labels[:, 0],
            self.probe.strengths,
            self.classifier.num_classes,
            ids,
            self.info,
            None if readings.scores is None else readings.scores.astype(np.float32),
            {name: values[:, 1:].reshape(shape) for name, values in readings.readouts.items()},
        )
