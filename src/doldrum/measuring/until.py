"""Rules for `measure(..., until=...)` that stop the draws of an input.

The error rates of these rules hold however often the rule is checked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import finite_number
from doldrum.errors import InputError
from doldrum.responses import NOT_TAKEN, Responses
from doldrum.stats.sequences import Side, entropy_sequence, proportion_sequence

__all__ = ["Decided", "Rule", "Stopped", "Width"]

Of = Literal["w", "base"]


@dataclass(frozen=True, eq=False)
class Stopped:
    """A rule's result for each input and strength, as arrays (N, C).

    `decision` is 1 if the quantity is above the rule's threshold, -1 if the quantity is below the threshold, and 0 if
    this is undecided. For a rule without a threshold, `decision` is always 0. `lower` and `upper` are the rule's limits
    of the quantity. `draws` is the number of draws that were measured, and `most` is the largest possible number of
    draws.
    """

    decision: NDArray[np.int8]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    draws: NDArray[np.int64]
    most: int


@dataclass(frozen=True)
class Rule(ABC):
    """A rule that stops the draws of an input, depending on the label counts so far.

    A subclass defines the limits of the quantity (`limits`) and the condition for stopping (`enough`).

    `alpha` is the maximum probability of an error for one input at one strength, over the randomness of the probe's
    draws. The probability that at least one of the C strengths of an input has an error is at most C alpha. To limit
    the probability of an error over all C strengths to p, set `alpha` to p / C. Among N inputs, the expected number of
    errors at each strength is at most N alpha. All inputs get the same random draws, so errors may occur together. The
    draws must be fixed before the images are known: do not try several seeds and keep the one with the best result.
    """

    @property
    @abstractmethod
    def quantity(self) -> Of:
        """The quantity that the limits are for: "w", or "base", which is the probability of the unperturbed input's label."""

    @abstractmethod
    def limits(
        self, counts: NDArray[np.int64], base: NDArray[np.integer]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the lower and upper limits (M,) of the quantity for M inputs. `counts` (M, K) holds the label counts,
        and `base` (M,) holds the labels of the unperturbed inputs."""

    @abstractmethod
    def enough(self, lower: NDArray[np.float64], upper: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether each input has enough draws, so that its measurement can stop."""

    def decide(self, lower: NDArray[np.float64], upper: NDArray[np.float64]) -> NDArray[np.int8]:
        """The decision for each input: 1 above the threshold, -1 below it, 0 undecided."""
        return np.zeros(lower.shape, dtype=np.int8)

    def read(self, responses: Responses) -> Stopped:
        """Compute the decision, the limits and the number of draws for each input and strength of responses that were
        measured with this rule.

        The result depends only on the label counts.
        """
        counts = responses.counts
        n, c, k = counts.shape
        lower, upper = self.limits(counts.reshape(-1, k), np.repeat(responses.labels, c))
        lower, upper = lower.reshape(n, c), upper.reshape(n, c)
        taken = (responses.draws != NOT_TAKEN).sum(axis=2)
        return Stopped(self.decide(lower, upper), lower, upper, taken, responses.draws.shape[2])

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"rule": type(self).__name__.lower(), **asdict(self)}

    def _check(self, alpha: float) -> None:
        finite_number(alpha, "alpha", hint="e.g. 0.05")
        if not 0 < 1 - alpha < 1:  # as the limits see it: 1e-17 is 0 to them
            raise InputError(
                f"expected alpha in (0, 1), got {alpha}; with alpha .05, at most one decision in twenty is wrong"
            )
        if self.quantity not in ("w", "base"):
            raise InputError(f"expected 'w' or 'base' as of=, got {self.quantity!r}; choose 'w' or 'base'")

    def _limits(self, counts: Any, base: Any, alpha: float, side: Side) -> tuple[Any, Any]:
        if self.quantity == "w":
            return entropy_sequence(counts, alpha=alpha, base=base, side=side)
        seen = np.take_along_axis(counts, np.maximum(base, 0)[:, None].astype(np.intp), axis=1)[:, 0]
        lower, upper = proportion_sequence(seen, counts.sum(axis=1), alpha=alpha)
        # Without a base label there is nothing to have a probability.
        return np.where(base < 0, 0.0, lower), np.where(base < 0, 1.0, upper)


@dataclass(frozen=True)
class Decided(Rule):
    """Stop when the quantity is known to be above or below `threshold`.

    For each input and strength, P(the decision is ever wrong) <= alpha, whatever the distribution of labels, and
    however often the rule is checked. For the probability of an error over several inputs or strengths, see `Rule`.

    Parameters
    ----------
    threshold : float in [0, 1]
    alpha : float in (0, 1)
    of : "w" or "base"
        "w" is W, the entropy of the labels; "base" is the probability of the unperturbed input's label.

    Examples
    --------
    >>> import doldrum as dd
    >>> clf = dd.as_classifier(lambda x: (x.mean(axis=(1, 2, 3)) > 0.5).astype(int),
    ...                        input_shape=(1, 2, 2), num_classes=2, outputs="labels")
    >>> rule = dd.until.Decided(0.2, alpha=0.01)
    >>> probe = dd.probes.Gaussian([0.1], draws=1000, seed=0)
    >>> r = dd.measure(clf, np.array([0.5, 0.9]).reshape(2, 1, 1, 1) * np.ones((2, 1, 2, 2)), probe, until=rule)
    >>> stopped = rule.read(r)
    >>> stopped.decision.ravel().tolist(), bool((stopped.draws < 400).all())
    ([1, -1], True)
    """

    threshold: float
    alpha: float = 0.05
    of: Of = "w"

    def __post_init__(self) -> None:
        self._check(self.alpha)
        finite_number(self.threshold, "threshold", hint="e.g. 0.2")
        if not 0 <= self.threshold <= 1:
            raise InputError(
                f"expected a threshold in [0, 1], got {self.threshold}; W and probabilities are always in [0, 1]"
            )

    @property
    def quantity(self) -> Of:
        return self.of

    def limits(self, counts: Any, base: Any) -> tuple[Any, Any]:
        """The lower and upper limits of the quantity. For W, each limit is one-sided and has the error probability
        alpha.

        One-sided limits are enough here, because the true quantity is on one side of the threshold: only one of the two
        limits can cause a wrong decision.
        """
        if self.of == "base":
            return self._limits(counts, base, self.alpha, "both")
        lower = self._limits(counts, base, self.alpha, "lower")[0]
        return lower, self._limits(counts, base, self.alpha, "upper")[1]

    def decide(self, lower: Any, upper: Any) -> NDArray[np.int8]:
        return (lower > self.threshold).astype(np.int8) - (upper < self.threshold).astype(np.int8)

    def enough(self, lower: Any, upper: Any) -> NDArray[np.bool_]:
        return self.decide(lower, upper) != 0


@dataclass(frozen=True)
class Width(Rule):
    """Stop when the upper and lower limits of the quantity differ by at most `width` (a precision of +- width / 2).

    For each input and strength, P(the quantity is ever outside its limits) <= alpha, however often the rule is checked.
    For the probability of an error over several inputs or strengths, see `Rule`.

    >>> Width(0.1, alpha=0.05).enough(np.array([0.2, 0.2]), np.array([0.25, 0.4])).tolist()
    [True, False]
    """

    width: float
    alpha: float = 0.05
    of: Of = "w"

    def __post_init__(self) -> None:
        self._check(self.alpha)
        finite_number(self.width, "width", hint="e.g. 0.1")
        if not 0 < self.width <= 1:
            raise InputError(f"expected a width in (0, 1], got {self.width}; a width of .1 means limits of +-.05")

    @property
    def quantity(self) -> Of:
        return self.of

    def limits(self, counts: Any, base: Any) -> tuple[Any, Any]:
        return self._limits(counts, base, self.alpha, "both")

    def enough(self, lower: Any, upper: Any) -> NDArray[np.bool_]:
        return upper - lower <= self.width
