"""Hooks: the methods that the author of a detector writes. Read this file first."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_whole
from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.detectors.contract.evidence import Evidence
from doldrum.errors import InputError
from doldrum.probes import Probe
from doldrum.seeds import child_seed

__all__ = ["Hooks", "Needs"]

Needs = Literal["labels", "scores", "weights"]


class Hooks(ABC):
    """The attributes and methods that a subclass of `Detector` defines.

    It states what it is in class attributes and writes two hooks, `probes` and `score`. If it learns
    from the clean inputs of `fit`, it also writes `prepare` and `learn`.

    Settings (the arguments of `__init__`) are kept under their own names; what is taken from clean inputs is kept in the
    attributes that `learned` names, each ending in "_", as numbers, strings or arrays. Both are saved.
    """

    name: ClassVar[str]
    """Its id, in saved files and on the command line."""
    needs: ClassVar[Needs] = "labels"
    """What the classifier must give: labels, scores, or a torch module whose weights can be changed."""
    paper: ClassVar[str] = ""
    """Title, year, arXiv number or DOI."""
    readouts: ClassVar[tuple[str, ...]] = ()
    """Readouts of every draw that `score` looks at: "entropy", "confidence", "change" (see :func:`doldrum.measure`)."""
    learned: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that `prepare` and `learn` set."""

    def __init__(self, *, seed: int | None = None) -> None:
        if seed is not None and (not is_whole(seed) or seed < 0):
            raise InputError(f"expected a whole number of at least 0 as seed, or None for a secret one, got {seed!r}")
        self.seed = None if seed is None else int(seed)
        self.seed_: int | None = self.seed
        """The seed in use: set by `fit` where it is secret."""

    @abstractmethod
    def probes(self) -> Mapping[str, Probe]:
        """Name -> probe. The probes may depend on what was learned. Take each probe's seed from `self.probe_seed(name)`."""

    @abstractmethod
    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        """(N,), higher = more suspicious. Each input's score depends on that input alone, not on others in `evidence`.

        NaN becomes infinity: an input for which the classifier gives no answer is the most suspicious.
        """

    def prepare(self, classifier: Classifier, clean: ImageSet) -> None:  # noqa: B027  (most have nothing to prepare)
        """Get from the clean inputs what `probes` needs, such as a strength or a pool of images."""

    def learn(self, evidence: Evidence) -> None:  # noqa: B027  (see above)
        """Learn what `score` needs from the responses to clean inputs. If this is not overridden, clean inputs are not measured."""

    def check_learned(self, input_shape: tuple[int, int, int], num_classes: int) -> None:  # noqa: B027
        """Raise InputError unless the learned attributes have the right shapes. They may come from a hostile file."""

    def stages(self) -> Sequence[Mapping[str, int]]:
        """For a detector with stages: the number of draws per condition and probe that an input has after each stage. The last stage has all draws.

        At each stage `score` is given that many draws, and `goes_on` its scores. Probes of images only.
        """
        return ()

    def goes_on(self, scores: NDArray[np.float64], stage: int) -> NDArray[np.bool_]:
        """Which inputs (N,) need the next stage, from their scores (N,) at this stage. By default, all.

        The others keep this score. The decision may depend on what `fit` learned and on the input's own score.
        """
        return np.ones(len(scores), dtype=bool)

    # What a subclass may use

    def probe_seed(self, name: str) -> int:
        """The seed of the probe with this name. It is derived from `seed_`, so that probes do not share draws."""
        return child_seed(self.fitted_seed(), "detector", name)

    def fitted_seed(self) -> int:
        """`seed_`; InputError before `fit`."""
        if self.seed_ is None:
            raise InputError(f"expected a fitted detector, got {self!r}; call fit(classifier, clean) first")
        return self.seed_

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of `__init__`, by name."""
        names = inspect.signature(type(self).__init__).parameters
        return {n: getattr(self, n) for n in names if n != "self"}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.settings.items())})"
