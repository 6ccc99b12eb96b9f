"""Responses: the label of every draw (one perturbed copy of an input), in order, and their counts. Needs only NumPy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import whole_number
from doldrum.errors import InputError

__all__ = ["INVALID", "NOT_TAKEN", "Responses"]

INVALID = -1
"""The value in place of a label, if the classifier gave NaN or infinite scores for this draw."""
NOT_TAKEN = -2
"""The value in place of a label, if this draw was never made."""

_MOST = int(np.iinfo(np.int16).max)  # labels are kept as int16: a higher class would wrap
_COUNT_ROWS = 4096  # rows counted at a time: bounds the scratch memory of `counts`, whatever N is


@dataclass(frozen=True, eq=False)
class Responses:
    """The labels that a classifier gave to every draw (perturbed copy) of its inputs, under one probe.

    Parameters
    ----------
    draws : int16 array (N, C, n)
        The label of input i, condition c and draw j: a class in [0, num_classes), `INVALID` or `NOT_TAKEN`. A condition
        is one strength of the probe.
    labels : int16 array (N,)
        The label of each unperturbed input; `INVALID` if the classifier gave NaN or infinite scores.
    strengths : floats, length C
        The strength of each condition, in the probe's unit.
    num_classes : int
        K, from 2 to 32,767.
    ids : strings, length N, optional
        Names of the inputs; the default names are "0", "1", ….
    info : mapping, optional
        How the draws were made (probe, engine, precision, agreement, versions), in values that JSON can hold.
    scores : float32 array (N, K), optional
        Probabilities of each unperturbed input, if they were requested; NaN if the input was invalid.
    readouts : mapping of names to float32 arrays (N, C, n), optional
        For each readout, a value computed from the scores of every draw, or NaN for an invalid draw. See
        `doldrum.measuring.READOUTS`.

    Examples
    --------
    >>> r = Responses(np.array([[[0, 0, 1, -1]]]), np.array([0]), strengths=[0.1], num_classes=3)
    >>> r.counts.tolist()
    [[[2, 1, 0]]]
    >>> r.num_invalid
    1
    """

    draws: NDArray[np.int16]
    labels: NDArray[np.int16]
    strengths: Sequence[float]
    num_classes: int
    ids: Sequence[str] = ()
    info: Mapping[str, Any] = field(default_factory=dict[str, Any])
    scores: NDArray[np.float32] | None = None
    readouts: Mapping[str, NDArray[np.float32]] = field(default_factory=dict[str, NDArray[np.float32]])

    def __post_init__(self) -> None:
        draws, labels = np.asarray(self.draws), np.asarray(self.labels)
        if draws.ndim != 3:
            raise InputError(
                f"expected draws of shape (inputs, strengths, draws), got {draws.shape}; pass one label per draw"
            )
        if labels.shape != draws.shape[:1]:
            raise InputError(
                f"expected labels of shape {draws.shape[:1]}, got {labels.shape}; pass one label per input"
            )
        if len(self.strengths) != draws.shape[1]:
            raise InputError(
                f"expected {draws.shape[1]} strengths, got {len(self.strengths)} strengths; pass one strength per condition of the draws"
            )
        strengths = tuple(float(s) for s in self.strengths)
        if not all(map(math.isfinite, strengths)):
            raise InputError(
                f"expected strengths that are finite numbers, got {list(strengths)}; leave out NaN and infinite strengths"
            )
        classes = whole_number(self.num_classes, "num_classes", least=2, most=_MOST, hint="W needs two classes")
        for name, array in (("draws", draws), ("labels", labels)):
            if array.dtype.kind not in "iu":
                raise InputError(
                    f"expected an integer array of {name}, got an array of {array.dtype}; pass class numbers"
                )
            # The ufuncs themselves: an image alone has Responses for each of a detector's probes.
            if array.size and (
                np.minimum.reduce(array, axis=None) < NOT_TAKEN or np.maximum.reduce(array, axis=None) >= classes
            ):
                raise InputError(
                    f"expected {name} in [{NOT_TAKEN}, {classes}), got values from {array.min()} to {array.max()}; check num_classes"
                )
        ids = tuple(self.ids) if len(self.ids) else tuple(str(i) for i in range(len(labels)))
        if len(ids) != len(labels):
            raise InputError(f"expected {len(labels)} ids, got {len(ids)} ids; pass one id per input")
        if self.scores is not None and self.scores.shape != (len(labels), classes):
            raise InputError(
                f"expected an array of scores with shape {(len(labels), classes)}, got shape {self.scores.shape}"
            )
        for name, readout in self.readouts.items():
            if readout.shape != draws.shape:
                raise InputError(
                    f"expected the readout {name!r} as an array of shape {draws.shape}, got shape {readout.shape}"
                )
        object.__setattr__(self, "draws", draws.astype(np.int16, copy=False))
        object.__setattr__(self, "labels", labels.astype(np.int16, copy=False))
        object.__setattr__(self, "strengths", strengths)
        object.__setattr__(self, "num_classes", classes)
        object.__setattr__(self, "ids", ids)

    def __len__(self) -> int:
        """The number N of inputs."""
        return len(self.labels)

    def __repr__(self) -> str:
        n, conditions, draws = self.draws.shape
        return f"Responses({n:,} inputs x {conditions} strengths x {draws} draws, {self.num_classes} classes)"

    @property
    def counts(self) -> NDArray[np.int64]:
        """How often each input got each label at each strength (N, C, K), computed at each access. Draws that are
        invalid or were never made are not counted."""
        n_inputs, n_conditions, n = self.draws.shape
        k = self.num_classes
        rows = self.draws.reshape(n_inputs * n_conditions, n)
        counts = np.empty((len(rows), k), dtype=np.int64)
        for start in range(0, len(rows), _COUNT_ROWS):
            block = rows[start : start + _COUNT_ROWS].astype(np.int64)
            # The two codes share one extra bin that is cut off afterwards.
            flat = np.where(block < 0, k, block) + (k + 1) * np.arange(len(block))[:, None]
            binned = np.bincount(flat.ravel(), minlength=len(block) * (k + 1)).reshape(len(block), k + 1)
            counts[start : start + len(block)] = binned[:, :k]
        return counts.reshape(n_inputs, n_conditions, k)

    @property
    def num_invalid(self) -> int:
        """The number of draws and unperturbed inputs with NaN or infinite scores."""
        return int((self.draws == INVALID).sum() + (self.labels == INVALID).sum())

    def take(self, indices: Sequence[int] | NDArray[Any]) -> Responses:
        """The responses of the chosen inputs, in the given order."""
        index = np.arange(len(self))[np.asarray(indices)]
        return replace(
            self,
            draws=self.draws[index],
            labels=self.labels[index],
            ids=[self.ids[int(i)] for i in index],
            scores=None if self.scores is None else self.scores[index],
            readouts={name: values[index] for name, values in self.readouts.items()},
        )

    def at(self, strength: float) -> Responses:
        """The responses at one strength only.

        Raises InputError if no condition or more than one condition has this strength. For example, several kinds of
        corruption can have the same strength.
        """
        gaps = np.abs(np.asarray(self.strengths) - strength)
        found = np.flatnonzero(gaps <= 1e-9 * max(1.0, abs(strength)))
        if not len(found):
            raise InputError(
                f"expected one of the measured strengths {self.strengths}, got {strength}; measure at this strength first"
            )
        if len(found) > 1:
            raise InputError(
                f"expected one condition with strength {strength}, got {len(found)} conditions; select a condition from `draws`"
            )
        c = int(found[0])
        return replace(
            self,
            draws=self.draws[:, c : c + 1],
            strengths=(self.strengths[c],),
            readouts={name: values[:, c : c + 1] for name, values in self.readouts.items()},
        )

    def first_draws(self, draws: int) -> Responses:
        """The responses to only the first `draws` draws of each condition.

        >>> r = Responses(np.array([[[0, 1, 1]]]), np.array([0]), strengths=[0.1], num_classes=2)
        >>> r.first_draws(2).draws.tolist()
        [[[0, 1]]]
        """
        first = {name: values[:, :, :draws] for name, values in self.readouts.items()}
        return replace(self, draws=self.draws[:, :, :draws], readouts=first)

    def and_draws(self, more: Responses) -> Responses:
        """Append the draws of `more` to the draws of this object, for the same inputs and conditions. Labels, scores
        and `info` stay unchanged.

        >>> r = Responses(np.array([[[0, 1]]]), np.array([0]), strengths=[0.1], num_classes=2)
        >>> r.and_draws(r).draws.tolist()
        [[[0, 1, 0, 1]]]
        """
        if len(more) != len(self) or more.strengths != self.strengths or more.readouts.keys() != self.readouts.keys():
            raise InputError(
                "expected two Responses with the same inputs, strengths and readouts, got Responses that differ in one of these; measure both with the same settings"
            )
        both = {name: np.concatenate([v, more.readouts[name]], axis=2) for name, v in self.readouts.items()}
        return replace(self, draws=np.concatenate([self.draws, more.draws], axis=2), readouts=both)

    @classmethod
    def concatenate(cls, parts: Sequence[Responses]) -> Responses:
        """Join responses to the same probe for several sets of inputs, one after another. `info` is copied from the
        first Responses.

        >>> r = Responses(np.array([[[0, 1]]]), np.array([0]), strengths=[0.1], num_classes=2, ids=["a"])
        >>> Responses.concatenate([r, r]).draws.shape
        (2, 1, 2)
        """
        if not parts:
            raise InputError("expected at least one Responses to concatenate, got none")
        first = parts[0]
        if any(p.strengths != first.strengths or p.readouts.keys() != first.readouts.keys() for p in parts):
            raise InputError(
                "expected Responses with the same strengths and readouts, got different strengths or readouts; measure all inputs with the same settings"
            )
        scores = [p.scores for p in parts if p.scores is not None]
        return replace(
            first,
            draws=np.concatenate([p.draws for p in parts]),
            labels=np.concatenate([p.labels for p in parts]),
            ids=[i for p in parts for i in p.ids],
            scores=np.concatenate(scores) if len(scores) == len(parts) else None,
            readouts={name: np.concatenate([p.readouts[name] for p in parts]) for name in first.readouts},
        )
