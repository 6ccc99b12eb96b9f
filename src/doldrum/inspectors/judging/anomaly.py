"""How far one class stands out from the other classes of the same model.

This comparison is used without reference models, and promises no rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.judging.standard import Standing

__all__ = ["FEWEST", "anomalies", "anomaly_index"]

FEWEST = 4
"""The smallest number of classes for this comparison. With fewer classes, no class can stand out."""


def anomalies(readings: Sequence[Reading]) -> Standing:
    """How far each class stands out from the model's other classes, for each inspector.

    t = (v - mean of the others) / (s sqrt(1 + 1/(K - 1))), where s is the standard deviation of the other K - 1
    classes. If the classes were alike and normal, t would have Student's distribution with K - 2 degrees of freedom.
    `p_value` of the result is the p-value of the largest t, multiplied by the number of all values t (Bonferroni). But
    classes are *not* alike: a class that is easy to reach in every clean model stands out in each of them.
    """
    told: dict[tuple[str, Route], float] = {}
    smallest, looked = 1.0, 0
    for one in readings:
        routes = [r for r, v in one.values.items() if r.source is None and r.target is not None and math.isfinite(v)]
        if len(routes) < FEWEST:
            continue
        values = np.array([one.values[r] for r in routes])
        for i, route in enumerate(routes):
            others = np.delete(values, i)
            spread = max(float(others.std(ddof=1)), 1e-6) * math.sqrt(1 + 1 / len(others))
            told[one.inspector, route] = t = float((values[i] - others.mean()) / spread)
            smallest, looked = min(smallest, float(stdtr(len(others) - 1, -t))), looked + 1
    return Standing(max(told.values(), default=-np.inf), told, min(1.0, smallest * max(looked, 1)))


def anomaly_index(sizes: NDArray[np.float64]) -> tuple[float, int]:
    """Neural Cleanse's anomaly index for the class with the smallest trigger, and the number of this class. The index
    is |size - median| / (1.4826 MAD), where MAD is the median absolute deviation of the sizes.

    The published rule calls a model backdoored if the index is above 2.

    Source: Wang et al. 2019, "Neural Cleanse", IEEE S&P, section V.

    >>> index, label = anomaly_index(np.array([5.0, 30.0, 32.0, 28.0, 31.0]))
    >>> round(index, 1), label
    (8.4, 0)
    """
    label = int(np.argmin(sizes))
    middle = float(np.median(sizes))
    spread = 1.4826 * float(np.median(np.abs(sizes - middle)))
    return (abs(float(sizes[label]) - middle) / max(spread, 1e-12), label)
