"""measure: the one way from a classifier, images and a probe to Responses."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet, to_float
from doldrum.engines import Engine, choose_engine, default_rows
from doldrum.engines.direct import DirectEngine
from doldrum.errors import ClassifierError, InputError
from doldrum.measuring.readouts import Readings, check_readouts
from doldrum.measuring.tiles import TilePlan, make_tiles, plan_tiles
from doldrum.probes import BoundProbe, ImageProbe, ModelProbe, Probe
from doldrum.progress import progress_bar
from doldrum.provenance import versions_and_machine
from doldrum.responses import Responses
from doldrum.seeds import rng

__all__ = ["Measurement", "measure"]

_SAMPLE = 512  # forwards in fp32 that the engine's labels are checked against


def measure(
    classifier: Classifier,
    images: ImageSet | NDArray[Any],
    probe: Probe,
    *,
    batch_size: int = 256,
    engine: str = "auto",
    progress: bool = True,
    readouts: Sequence[str] = (),
) -> Responses:
    """Perturb every image (or the model) as the probe says and note the label of every draw.

    Parameters
    ----------
    classifier : Classifier
        From :func:`doldrum.as_classifier`. It is checked on a first small batch before anything long is started.
    images : ImageSet or array (N, C, H, W)
        uint8, or floats in [0, 1]; the classifier's input shape.
    probe : Probe
        E.g. ``dd.probes.Gaussian([0.05, 0.1, 0.2, 0.4], draws=100, seed=0)``.
    batch_size : int
        Inputs taken up at a time; bounds memory and changes nothing else. The engine's own batches have one fixed
        number of rows whatever this is.
    engine : "auto", "eager", "openvino", "openvino-bf16" or "openvino-fp32"
        "auto" takes the fastest whose labels agree with fp32 on these images; `Responses.info` says which, and how well.
        For a probe that perturbs the model it is "eager": compiling each perturbed model takes a second or two, which
        pays from some thousands of inputs; name an engine there.
    progress : bool
        Draw a progress bar when standard error is a terminal.
    readouts : names of "entropy", "confidence", "change"
        Of every draw's probabilities: their entropy (nats), the probability of the base label, the L1 distance from the
        unperturbed input's probabilities. They, and those probabilities (`Responses.scores`), need a classifier that gives
        scores, and depend on the engine's precision.

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
    run = Measurement(classifier, images, probe, batch_size=batch_size, engine=engine, readouts=readouts)
    with progress_bar("measuring", len(run), show=progress) as advance:
        chunks = []
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

    With `readouts`, chunks hold them in memory; `measure_to` writes labels only.
    """

    def __init__(
        self,
        classifier: Classifier,
        images: ImageSet | NDArray[Any],
        probe: Probe,
        *,
        batch_size: int = 256,
        engine: str = "auto",
        readouts: Sequence[str] = (),
    ) -> None:
        if not isinstance(classifier, Classifier):
            raise InputError(f"expected a Classifier, got {type(classifier).__name__}; use dd.as_classifier first")
        if not isinstance(probe, (ImageProbe, ModelProbe)):
            raise InputError(f"expected a probe, got {type(probe).__name__}; e.g. dd.probes.Gaussian([0.1])")
        if isinstance(batch_size, bool) or int(batch_size) != batch_size or batch_size < 1:
            raise InputError(f"expected a batch_size of at least 1, got {batch_size}")
        self.images = images if isinstance(images, ImageSet) else ImageSet(as_images(images))
        if self.images.images.shape[1:] != classifier.input_shape:
            raise InputError(
                f"expected images of shape {classifier.input_shape} (channels, height, width), got "
                f"{self.images.images.shape[1:]}; resize or convert them"
            )
        self.classifier, self.probe, self.batch_size = classifier, probe, int(batch_size)
        notes = check_classifier(classifier, to_float(_spread(self.images.images, 8)))
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
        sample = perturbed_sample(self.images, self.bound, plan, probe.seed)
        self.engine: Engine
        self.engine, choice = choose_engine(classifier, engine, rows=plan.rows, sample=sample)
        self.plan: TilePlan = plan.shared(choice.mixes_inputs)
        self._compiled: dict[int, Engine] = {}
        self.info: dict[str, Any] = {
            "classifier": classifier.fingerprint,
            "outputs": classifier.outputs,
            "probe": probe.to_dict(),
            "engine": choice.to_dict(),
            "notes": notes,
            **versions_and_machine(),
        }

    def __len__(self) -> int:
        return len(self.images)

    def chunks(self, start: int = 0) -> Iterator[Responses]:
        """Responses of inputs `start`.., `batch_size` at a time."""
        for first in range(start, len(self), self.batch_size):
            block = to_float(self.images.images[first : first + self.batch_size])
            ids = [str(i) for i in self.images.ids[first : first + len(block)]]
            yield self._responses(self._run(block), ids)

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


def as_images(images: Any) -> NDArray[Any]:
    """Check that an array is NCHW; its values are checked by ImageSet."""
    array = np.asarray(images)
    if array.ndim != 4:
        raise InputError(f"expected images of shape (N, C, H, W), got {array.shape}; add the missing axes")
    return array if array.dtype == np.uint8 else array.astype(np.float32, copy=False)


def check_classifier(classifier: Classifier, images: NDArray[np.float32]) -> list[str]:
    """Run a first small batch; raise on a broken contract, and note what looks odd but harmless."""
    classifier.check_state()
    output = classifier(images)
    if output.ndim == 1:
        return []
    finite = np.isfinite(output).all(axis=1)
    if not finite.any():
        raise ClassifierError(
            "expected finite scores, got NaN or infinities for every image of a first small batch; "
            "check the weights and that the model takes images in [0, 1]"
        )
    scores = output[finite].astype(np.float64)
    sums_to_one = bool((np.abs(scores.sum(axis=1) - 1) < 1e-3).all() and scores.min() >= -1e-6)
    if classifier.outputs == "probabilities" and not sums_to_one:
        raise ClassifierError(
            f"expected probabilities that sum to 1, got sums {scores.sum(axis=1).min():.3g} to "
            f"{scores.sum(axis=1).max():.3g}; pass outputs='logits'"
        )
    if classifier.outputs == "logits" and sums_to_one:
        return ["scores declared as logits sum to 1: they look like probabilities (labels are the same)"]
    return []


def perturbed_sample(images: ImageSet, bound: BoundProbe | None, plan: TilePlan, seed: int) -> NDArray[np.float32]:
    """Some of the caller's images under some of the probe's draws: what engines are checked on."""
    base = to_float(_spread(images.images, 32))
    per = min(plan.pairs, max(1, _SAMPLE // len(base)))
    sample = np.empty((len(base) * per, *base.shape[1:]), dtype=np.float32)
    picks = rng(seed, "engine check")
    for i, image in enumerate(base):
        # The first is the unperturbed row, the others any of the draws.
        for j, pair in enumerate([0, *(1 + picks.choice(plan.pairs - 1, per - 1, replace=False))]):
            out = sample[i * per + j : i * per + j + 1]
            if pair == 0 or bound is None:
                out[0] = image
            else:
                condition, draw = divmod(int(pair) - 1, plan.draws)
                bound.fill(image, condition, draw, draw + 1, out)
    return sample


def _spread(images: NDArray[Any], count: int) -> NDArray[Any]:
    return images[np.unique(np.linspace(0, len(images) - 1, min(count, len(images))).astype(int))]
