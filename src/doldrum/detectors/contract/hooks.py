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
    """The attributes and methods that the author of a detector defines in a subclass of `Detector`.

    A subclass describes itself in class attributes and defines two methods, `probes` and `score`. If a detector learns
    from the clean inputs of `fit`, it also defines `prepare` or `learn`.

    Each setting (an argument of `__init__`) is stored in an attribute of the same name. What is learned from clean
    inputs is stored in the attributes that `learned` lists, as numbers, strings or arrays. Their names end in "_".
    Settings and learned attributes are saved.
    """

    name: ClassVar[str]
    """The detector's id, in saved files and on the command line."""
    needs: ClassVar[Needs] = "labels"
    """What the classifier must give: labels, scores, or a torch module whose weights can be changed."""
    paper: ClassVar[str] = ""
    """The paper behind the detector: title, year, arXiv number or DOI."""
    readouts: ClassVar[tuple[str, ...]] = ()
    """The values that `score` needs from every draw, in addition to the label: "entropy", "confidence", "change" (see
    :func:`doldrum.measure`)."""
    learned: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that `prepare` and `learn` set."""

    @property
    def fewest(self) -> int:
        """The smallest number of different clean inputs that `fit` works with."""
        return 1

    def __init__(self, *, seed: int | None = None) -> None:
        if seed is not None and (not is_whole(seed) or seed < 0):
            raise InputError(
                f"expected a whole number of at least 0 as seed=, got {seed!r}; leave out seed= for a secret one"
            )
        self.seed = None if seed is None else int(seed)
        self.seed_: int | None = self.seed
        """The seed in use. If no seed was given, `fit` sets a secret one."""

    @abstractmethod
    def probes(self) -> Mapping[str, Probe]:
        """Return a dict of probes by name. The probes may depend on what the detector has learned. Take each probe's
        seed from `self.probe_seed(name)`."""

    @abstractmethod
    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the scores (N,), higher = more suspicious. An input's score must not depend on the other inputs in
        `evidence`.

        NaN becomes infinity: an input for which the classifier gives no answer is the most suspicious.
        """

    def prepare(self, classifier: Classifier, clean: ImageSet) -> None:  # noqa: B027  (most have nothing to prepare)
        """Learn from the clean inputs what `probes` needs, such as a strength or a pool of images."""

    def learn(self, evidence: Evidence) -> None:  # noqa: B027  (see above)
        """Learn what `score` needs from the responses to clean inputs. If a subclass does not override this method,
        clean inputs are not measured."""

    def check_learned(self, input_shape: tuple[int, int, int], num_classes: int) -> None:  # noqa: B027
        """Raise InputError unless the learned attributes have the right shapes. The check is needed because learned
        attributes may come from a hostile file."""

    def stages(self) -> Sequence[Mapping[str, int]]:
        """Return one dict for each stage, if the detector has stages. The dict maps each probe's name to the number of
        draws per strength that an input has after the stage. After the last stage, an input has all draws.

        At each stage, `score` receives all draws up to this stage, and `goes_on` receives the resulting scores. A probe
        can have stages only if it perturbs images.
        """
        return ()

    def goes_on(self, scores: NDArray[np.float64], stage: int) -> NDArray[np.bool_]:
        """Return a bool array (N,): true for each input that needs the next stage. `scores` (N,) holds the scores at
        the present stage. By default, all inputs need the next stage.

        An input that does not need the next stage keeps its present score. The decision about an input may depend on
        what `fit` learned and on this input's score.
        """
        return np.ones(len(scores), dtype=bool)

    # What a subclass may use

    def probe_seed(self, name: str) -> int:
        """Return the seed of the probe with the name `name`. This seed is derived from `seed_`, so that probes do not
        share draws."""
        return child_seed(self.fitted_seed(), "detector", name)

    def fitted_seed(self) -> int:
        """Return `seed_`. Raises InputError if the detector is not fitted."""
        if self.seed_ is None:
            raise InputError(f"expected a fitted detector, got {self!r}; call fit(classifier, clean) first")
        return self.seed_

    @property
    def settings(self) -> dict[str, Any]:
        """Maps the name of each argument of `__init__` to its value."""
        names = inspect.signature(type(self).__init__).parameters
        return {n: getattr(self, n) for n in names if n != "self"}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.settings.items())})"
