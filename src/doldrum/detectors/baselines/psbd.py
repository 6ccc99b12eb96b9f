"""PSBD: the model stays confident about triggered inputs under dropout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_number
from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.detectors.contract.detector import Detector
from doldrum.detectors.contract.evidence import Evidence
from doldrum.detectors.contract.hooks import Needs
from doldrum.errors import InputError
from doldrum.measuring import measure
from doldrum.probes import Dropout, Probe

__all__ = ["PSBD"]

_RATES = tuple(round(0.1 * i, 1) for i in range(1, 10))
_SHIFT, _CLEAN = 0.8, 250


class PSBD(Detector):
    """The score is minus the confidence that is lost under dropout: -PSU(x), with PSU(x) = P_y(x) - (1/k) sum_j P_y(x;
    dropout j) and y = C(x).

    The detector needs weights (a torch module with residual blocks or activations to drop from). `fit` chooses the
    dropout rate from up to 250 clean inputs. The detector takes k + 1 forward passes per input (4 by default). All
    inputs get the same k masks.

    The dropout rate is stored in `rate_`. By default, the dropout rate is the smallest of .1, .2, …, .9 at which at
    least 80% of the clean predictions change. If no rate changes that many predictions, the rate that changes the most
    predictions is used. The paper chooses the dropout rate in another way, because the paper's method is for training
    data. Among the dropout rates that change enough predictions, the paper takes the rate at which clean and suspect
    data differ most. `fit` cannot choose the dropout rate in this way, because `fit` gets no suspect data.

    Parameters
    ----------
    draws : int
        The number k of dropout masks.
    rate : float, optional
        The dropout rate. If no dropout rate is given, `fit` chooses the rate.
    where : as in :class:`doldrum.probes.Dropout`
        "blocks", as in the paper: dropout after every residual block or, if there are none, after every activation.
    seed : int, optional

    Source: Li et al. 2024, arXiv 2406.05826, equation 2; k = 3.

    `fit` raises ClassifierError if the classifier has no place for dropout.
    """

    name = "psbd"
    needs: ClassVar[Needs] = "weights"
    paper = "Li et al. 2024, arXiv 2406.05826"
    readouts = ("confidence",)
    learned: ClassVar[tuple[str, ...]] = ("rate_",)

    def __init__(
        self,
        *,
        draws: int = 3,
        rate: float | None = None,
        where: str | Sequence[str] = "blocks",
        seed: int | None = None,
    ) -> None:
        super().__init__(seed=seed)
        if not isinstance(where, str) and not all(isinstance(w, str) for w in np.atleast_1d(where).tolist()):
            raise InputError(
                f"expected the place of the dropout as 'blocks', 'activations', 'linear' or names of modules, got {where!r}"
            )
        probe = Dropout([0.5 if rate is None else rate], draws=draws, where=where)  # refuses wrong settings
        self.draws, self.rate, self.where = probe.draws, rate, probe.where
        self.rate_: float | None = rate

    def prepare(self, classifier: Classifier, clean: ImageSet) -> None:
        self.rate_ = self.rate
        if self.rate is None:
            some = clean.take(range(min(len(clean), _CLEAN)))
            probe = Dropout(_RATES, draws=self.draws, where=self.where, seed=self.probe_seed("rates"))
            found = measure(classifier, some, probe, progress=False)
            shifts = (found.draws != found.labels[:, None, None]).mean(axis=(0, 2))
            enough = np.flatnonzero(shifts >= _SHIFT)
            self.rate_ = _RATES[int(enough[0] if len(enough) else shifts.argmax())]

    def check_learned(self, input_shape: tuple[int, int, int], num_classes: int) -> None:
        if self.rate_ is None or not is_number(self.rate_) or not 0 < self.rate_ < 1:
            raise InputError(f"expected a dropout rate in (0, 1), got {self.rate_!r}; fit again")

    def probes(self) -> Mapping[str, Probe]:
        rate = 0.5 if self.rate_ is None else self.rate_
        return {"dropout": Dropout([rate], draws=self.draws, where=self.where, seed=self.probe_seed("dropout"))}

    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        responses = evidence.responses["dropout"]
        assert responses.scores is not None
        base = responses.scores.astype(np.float64)[np.arange(len(evidence)), responses.labels]
        dropped = responses.readouts["confidence"][:, 0].astype(np.float64)
        return np.ma.masked_invalid(dropped).mean(axis=1).filled(np.nan) - base
