"""IBD-PSC: the model stays confident about triggered inputs when its batch normalisation is scaled up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_number
from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.contract.evidence import Evidence
from doldrum.detectors.contract.hooks import Needs
from doldrum.errors import ClassifierError, InputError
from doldrum.measuring import measure
from doldrum.probes import BatchNormScale, Probe

__all__ = ["IBDPSC"]

_CLEAN = 250  # images of fit that choose the layers; the paper uses 100


class IBDPSC(Detector):
    """Score PSC(x) = (1/n) sum_{i=k}^{k+n-1} F_i(x)_y, y = C(x): the mean confidence of n scaled models in the original
    label.

    F_i is the model with gamma and beta of its last i batch-normalisation layers multiplied by omega. The number k is
    the smallest number of layers for which the error on clean inputs exceeds xi.

    The detector needs weights (a torch module with batch normalisation). The detector takes n + 1 forward passes per
    input (6 by default). To choose k, `fit` uses up to 250 clean inputs and their labels. If the clean inputs have no
    labels, the labels that the model predicts are used. `layers_` holds the numbers i. If k + n - 1 is larger than the
    number of batch-normalisation layers, i runs from k to the number of these layers. If the error never exceeds xi, i
    runs over the n largest possible numbers of layers. (Released code starts at k + 1.)

    Parameters
    ----------
    models : int
        The number of scaled models, n in the formula.
    omega : float
        The factor.
    xi : float
        The error rate, 0 to 1.
    seed : int, optional
        Seed of the random values that break ties between equal scores. The score itself is not random.

    Source: Hou et al. 2024, arXiv 2405.09786, algorithm 1 and equation 4; n = 5, omega = 1.5, xi = 0.6.

    Raises ClassifierError from `fit` for a classifier without weights or batch normalisation.
    """

    name = "ibd-psc"
    needs: ClassVar[Needs] = "weights"
    paper = "Hou et al. 2024, arXiv 2405.09786"
    readouts = ("confidence",)
    learned: ClassVar[tuple[str, ...]] = ("layers_",)

    def __init__(self, *, models: int = 5, omega: float = 1.5, xi: float = 0.6, seed: int | None = None) -> None:
        super().__init__(seed=seed)
        if not is_number(models) or int(models) != models or models < 1:
            raise InputError(f"expected a whole number of models of at least 1, got {models!r}")
        if not is_number(xi) or not 0 <= xi <= 1:
            raise InputError(f"expected an error rate xi in [0, 1], got {xi!r}")
        if not is_number(omega):
            raise InputError(f"expected a number above 0 as omega, got {omega!r}; the paper uses 1.5")
        BatchNormScale([1], omega=omega)  # refuses what is no factor
        self.models, self.omega, self.xi = int(models), float(omega), float(xi)
        self.layers_: NDArray[Any] | None = None

    def prepare(self, classifier: Classifier, clean: ImageSet) -> None:
        from doldrum.probes.batch_norm_scale import batch_norms

        most = len(batch_norms(getattr(classifier, "module")))  # noqa: B009  (checked by `needs`)
        if most == 0:
            raise ClassifierError(
                "expected a model with batch normalisation, got none; use PSBD or a detector that needs only labels"
            )
        some = clean.take(range(min(len(clean), _CLEAN)))
        found = measure(classifier, some, BatchNormScale(range(1, most + 1), omega=self.omega), progress=False)
        true = found.labels if some.labels is None else some.labels
        errors = (found.draws[:, :, 0] != true[:, None]).mean(axis=0)
        above = np.flatnonzero(errors > self.xi)
        first = int(above[0]) + 1 if len(above) else max(1, most - self.models + 1)
        self.layers_ = np.arange(first, min(first + self.models - 1, most) + 1)

    def check_learned(self, input_shape: tuple[int, int, int], num_classes: int) -> None:
        layers = self.layers_
        fine = isinstance(layers, np.ndarray) and layers.ndim == 1 and layers.dtype.kind in "iu"
        if layers is None or not fine or not 1 <= len(layers) <= self.models or layers.min() < 1:
            raise InputError(
                f"expected a list of 1 to {self.models} layer counts, each a whole number of at least 1, got {layers!r}; fit again"
            )

    def probes(self) -> Mapping[str, Probe]:
        if self.layers_ is None:
            raise InputError(f"expected a fitted detector, got {self!r}; call fit(classifier, clean) first")
        return {"scaled": BatchNormScale(self.layers_.tolist(), omega=self.omega)}

    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        confidence = evidence.responses["scaled"].readouts["confidence"][:, :, 0].astype(np.float64)
        return np.ma.masked_invalid(confidence).mean(axis=1).filled(np.nan)
