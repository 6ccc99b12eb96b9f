"""The function `measure`: measure a classifier on images with probes. The result is Responses."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, overload

from doldrum.classifiers.base import Classifier
from doldrum.data import Images
from doldrum.errors import InputError
from doldrum.measuring.answers import Answers
from doldrum.measuring.battery import count_draws
from doldrum.measuring.checks import check_memory
from doldrum.measuring.measurement import Measurement
from doldrum.measuring.until import Rule
from doldrum.probes import Probe
from doldrum.progress import progress_bar, waiting
from doldrum.responses import Responses

__all__ = ["measure"]


@overload
def measure(
    classifier: Classifier,
    images: Images,
    probe: Probe,
    *,
    batch_size: int = ...,
    engine: str = ...,
    progress: bool = ...,
    readouts: Sequence[str] = ...,
    until: Rule | None = ...,
) -> Responses: ...


@overload
def measure(
    classifier: Classifier,
    images: Images,
    probe: Mapping[str, Probe],
    *,
    batch_size: int = ...,
    engine: str = ...,
    progress: bool = ...,
    readouts: Sequence[str] = ...,
    until: Rule | None = ...,
) -> dict[str, Responses]: ...


def measure(
    classifier: Classifier,
    images: Images,
    probe: Probe | Mapping[str, Probe],
    *,
    batch_size: int = 256,
    engine: str = "auto",
    progress: bool = True,
    readouts: Sequence[str] = (),
    until: Rule | None = None,
) -> Responses | dict[str, Responses]:
    """Perturb every image (or the model) as the probe says, and record the label of every draw.

    Parameters
    ----------
    classifier : Classifier
        A classifier from :func:`doldrum.as_classifier`. The classifier is first checked on a small batch.
    images : ImageSet or array (N, C, H, W), or any source of images
        Images as uint8, or as floats in [0, 1], in the classifier's input shape. A source may be a torch Dataset or
        DataLoader, a Hugging Face data set, a list of Pillow images or arrays, or a generator: see
        :func:`doldrum.data.read_stream`. If an item cannot be read, an error is raised before any draw. An object with
        a `shape` and slices, such as an array on disk, is accepted too. Such an object is read slice by slice, so it
        may be larger than the memory. For folders, archives and tables, make a source with
        :func:`doldrum.measuring.collected.collect_images`.
    probe : Probe, or mapping of names to probes
        E.g. ``dd.probes.Gaussian([0.05, 0.1, 0.2, 0.4], draws=100, seed=0)``. Several probes are measured together: the
        unperturbed image is evaluated only once for all of them.
    batch_size : int
        Number of inputs that are measured at a time. This number limits memory use and changes nothing else: the
        engine's own batches always have the same number of rows.
    engine : "auto" or a name in `doldrum.engines.ENGINES`
        "auto" selects the fastest engine whose labels agree with fp32 on these images. `Responses.info` says which
        engine was selected, and how well its labels agree with those of fp32. For a probe that perturbs the model,
        "auto" selects "eager", since compiling each perturbed model takes a second or two. From a few thousand inputs
        on, a compiled engine is faster: give its name instead of "auto".
    progress : bool
        Draw a progress bar if standard error is a terminal.
    readouts : names of "entropy", "confidence", "change"
        Values to compute from every draw's class probabilities. "entropy" is the entropy of a draw's class
        probabilities, in nats. "confidence" is the probability of the base label (the unperturbed input's label).
        "change" is the L1 distance to the probabilities of the unperturbed input. If readouts are requested, the
        unperturbed input's probabilities are saved too (`Responses.scores`). Readouts need a classifier that gives
        scores, and depend on the engine's precision.
    until : rule, optional
        A stopping rule, such as ``dd.until.Decided(0.2, alpha=0.01)``. An input gets draws until the rule is satisfied,
        but at most `probe.draws`. The measured draws are the same as the first draws of a measurement without a rule.
        Draws that were not measured are `NOT_TAKEN`. `until.read(responses)` gives the decisions, limits and numbers of
        draws. Do not compare plug-in estimates of W (the entropy of the labels) from different numbers of draws. A rule
        needs a single probe.

    Returns
    -------
    Responses, or for several probes a dict of Responses by name
        With the same engine and precision, labels do not depend on the batch size, or on the order or selection of the
        images.

    Raises
    ------
    InputError, ClassifierError
        Raised before any draw if the images do not have the classifier's input shape, if the classifier's outputs are not as
        declared, or if the classifier cannot be used with the probe or the readouts.

    Examples
    --------
    >>> import doldrum as dd
    >>> import numpy as np
    >>> clf = dd.as_classifier(lambda x: (x.mean(axis=(1, 2, 3)) > 0.5).astype(int),
    ...                        input_shape=(1, 2, 2), num_classes=2, outputs="labels")
    >>> r = dd.measure(clf, np.full((1, 1, 2, 2), 0.5), dd.probes.Gaussian([0.1], draws=200, seed=0))
    >>> r.counts.sum(), r.draws.shape
    (np.int64(200), (1, 1, 200))
    >>> both = {"noise": dd.probes.Gaussian([0.1], draws=5), "scaled": dd.probes.Scale([3, 5])}
    >>> {name: r.draws.shape for name, r in dd.measure(clf, np.full((1, 1, 2, 2), 0.5), both).items()}
    {'noise': (1, 1, 5), 'scaled': (1, 2, 1)}
    """
    options: dict[str, Any] = {"batch_size": batch_size, "engine": engine, "readouts": readouts, "until": until}
    with waiting("checking the model and its engines", show=progress):
        run = Measurement(classifier, images, probe, **options)
    if not run.battery.probes:
        raise InputError("expected at least one probe, got an empty mapping; e.g. dd.probes.Gaussian([0.1])")
    run.inputs.check_whole()
    hint = "write the labels to a folder while they are measured (dd.measuring.measure_to)"
    check_memory(len(run), count_draws(run.battery.probes), what="a measurement", hint=hint)
    with progress_bar("measuring", len(run), show=progress) as advance:
        chunks: list[Answers] = []
        for chunk in run.chunks():
            chunks.append(chunk)
            advance(len(chunk))
    found = Answers.concatenate(chunks)
    if found.num_invalid:
        warnings.warn(
            f"expected finite scores, got NaN or infinite scores for {found.num_invalid} draws or inputs; "
            "these draws and inputs are marked invalid and not counted (Responses.num_invalid)",
            stacklevel=2,
        )
    return dict(found.responses) if isinstance(probe, Mapping) else found.only
