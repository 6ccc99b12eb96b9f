"""Answers: a classifier's outputs for unperturbed inputs and for all their probes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.responses import INVALID, Responses

__all__ = ["Answers"]


@dataclass(frozen=True, eq=False)
class Answers:
    """The labels of N inputs, and the Responses of each probe by name.

    Parameters
    ----------
    labels : int16 array (N,)
        The label of each unperturbed input, or -1 (`INVALID`). `labels` of all `responses` are equal to this array.
    responses : mapping of names to Responses
    scores : float64 array (N, K), optional
        The probabilities of each unperturbed input, if they were requested. The probabilities are NaN if the output was
        invalid.
    """

    labels: NDArray[np.int16]
    responses: Mapping[str, Responses]
    scores: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def only(self) -> Responses:
        """The Responses, if the inputs were measured with a single probe."""
        (found,) = self.responses.values()
        return found

    @property
    def num_invalid(self) -> int:
        """The number of draws and unperturbed inputs whose output was invalid (NaN or infinite)."""
        draws = sum(int((r.draws == INVALID).sum()) for r in self.responses.values())
        return draws + int((self.labels == INVALID).sum())

    def noted(self, ids: Sequence[str], infos: Mapping[str, Mapping[str, Any]]) -> Answers:
        """A copy of these Answers with the given ids. In the copy, `infos[name]` becomes the `info` of the Responses of
        the probe called `name`."""
        return replace(
            self, responses={name: replace(r, ids=ids, info=infos[name]) for name, r in self.responses.items()}
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Answers]) -> Answers:
        """Join the Answers of several groups of inputs that were measured with the same probes."""
        scores = [p.scores for p in parts if p.scores is not None]
        return cls(
            np.concatenate([p.labels for p in parts]),
            {name: Responses.concatenate([p.responses[name] for p in parts]) for name in parts[0].responses},
            np.concatenate(scores) if scores else None,
        )
