"""Evidence: the images, labels and responses that a detector's score may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier, labels_of
from doldrum.engines import default_rows
from doldrum.engines.direct import DirectEngine
from doldrum.measuring.readouts import probabilities
from doldrum.responses import Responses

__all__ = ["Evidence", "base_outputs"]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Some inputs, with the classifier's answers for the unperturbed inputs and for the detector's probes.

    Parameters
    ----------
    images : float32 array (N, C, H, W), in [0, 1]
    labels : int16 array (N,)
        The classifier's label of each unperturbed input; -1 if its scores were NaN or infinite.
    num_classes : int
    responses : maps the name of each of the detector's probes to the Responses of the inputs
    scores : float64 array (N, K), or None
        Probabilities of the unperturbed inputs; only for detectors that need "scores" or "weights".
    """

    images: NDArray[np.float32]
    labels: NDArray[np.int16]
    num_classes: int
    responses: Mapping[str, Responses]
    scores: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[np.int64]) -> Evidence:
        """Return the evidence of the inputs with the row numbers in `index`, in the order of `index`."""
        return replace(
            self,
            images=self.images[index],
            labels=self.labels[index],
            responses={name: r.take(index) for name, r in self.responses.items()},
            scores=None if self.scores is None else self.scores[index],
        )

    def first_draws(self, upto: Mapping[str, int]) -> Evidence:
        """Return this evidence, but with only the first draws at each strength. `upto` says, for each probe, how many
        draws to keep."""
        return replace(self, responses={name: self.responses[name].first_draws(n) for name, n in upto.items()})

    def and_draws(self, more: Mapping[str, Responses]) -> Evidence:
        """Return this evidence with more draws: for each input, the draws in `more` are added after the present
        draws."""
        both = {n: self.responses[n].and_draws(r) if n in self.responses else r for n, r in more.items()}
        return replace(self, responses={**self.responses, **both})


def base_outputs(
    classifier: Classifier, images: NDArray[np.float32]
) -> tuple[NDArray[np.int16], NDArray[np.float64] | None]:
    """Labels (N,) of unperturbed inputs, and their probabilities (N, K) if the classifier gives scores.

    All batches have the same number of rows, so that an answer doesn't depend on how many inputs are passed together.

    >>> from doldrum.classifiers import as_classifier
    >>> clf = as_classifier(lambda x: x.reshape(len(x), -1), input_shape=(1, 1, 2), num_classes=2)
    >>> labels, scores = base_outputs(clf, np.array([[[[0.0, 1.0]]]], dtype=np.float32))
    >>> labels.tolist(), scores.round(3).tolist()
    ([1], [[0.269, 0.731]])
    """
    output = DirectEngine(classifier, rows=default_rows(classifier.input_shape))(images)
    return labels_of(output), None if output.ndim == 1 else probabilities(output, classifier.outputs)
