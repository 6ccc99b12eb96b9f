"""How near two classes are to each other: how often perturbed inputs of one class get the label of the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors.profile.rates import sparse_tally

__all__ = ["log_nearness"]

Array = NDArray[np.float64]
_TO_OTHERS = 2.0  # inputs' worth of what all inputs say about where labels go
_NEVER = 0.3  # inputs that went to a label that never came


def log_nearness(places: NDArray[np.int16], labels: NDArray[np.int16], num_classes: int) -> Array:
    """The log of the nearness (L, L) of each pair of the L labels that the N inputs have, in rising order.

    If an input of label k changes its label, it changes to label l with the probability p(l | k). Let p(l) be the
    probability for inputs of all labels, without k as the new label. The *lift* of the pair is p(l | k) / p(l). It is
    above 1 if the inputs of k change to l more often than those of other labels do. The nearness of k and l is the
    geometric mean of the lifts of both directions, so it is the same for both. The nearness of a label to itself is 1.

    All label changes of one input together count as one input. The probability p(l | k) is averaged with p(l), which
    has the weight of 2 inputs. So the nearness of labels with few inputs is close to 1.

    Parameters
    ----------
    places : int16 (N, places)
        The label that the model returned at each place. A value below 0 means that the model returned no label.
    labels : int16 (N,)
        The label of each unperturbed input.
    num_classes : int

    Two of four labels are near: inputs of 0 change to 1, and back. Inputs of 2 and 3 change to any label.

    >>> places = np.array([[1, 1, 0], [0, 0, 1], [0, 1, 3], [0, 1, 2]], dtype=np.int16)
    >>> near = np.exp(log_nearness(places, np.arange(4, dtype=np.int16), 4))
    >>> bool(near[0, 1] > 1 > near[0, 2]), bool((near == near.T).all()), near[0, 0]
    (True, True, np.float64(1.0))
    """
    seen, row = np.unique(labels, return_inverse=True)
    left = np.where(places == labels[:, None], -1, places)
    weight = 1 / np.maximum((left >= 0).sum(axis=1), 1)
    everywhere = np.zeros(places.shape[1], dtype=np.int64)
    went: Array = sparse_tally(left, row[:, None], weight[:, None], len(seen), num_classes, everywhere).toarray().T
    share = went.sum(axis=0) + _NEVER
    share = (share / share.sum())[seen]
    expected = share / (1 - share[:, None])  # of label l, if an input leaves label k
    total = went.sum(axis=1)[:, None]
    lift = np.log((went[:, seen] / expected + _TO_OTHERS) / (total + _TO_OTHERS))
    near: Array = (lift + lift.T) / 2
    np.fill_diagonal(near, 0)
    return near
