"""`Asker` gets the labels of images from a classifier.

An Asker counts and limits the queries, and uses a fast engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier, labels_of
from doldrum.engines import choose_engine, default_rows
from doldrum.errors import InputError
from doldrum.explanations.methods.base import Carried, Images

_MOST_FLOATS = 1 << 24  # of images asked about at once: several things share the engine's batches

__all__ = ["Asker", "OutOfQueries"]


class OutOfQueries(Exception):
    """Raised if the next query would exceed the limit of queries or of time."""


class Asker:
    """Gets labels from a classifier. `queries` counts the images sent, except those used to choose an engine.

    Raises OutOfQueries if a query would exceed `most` or the classifier's own limit (`queries_left`). Also raises
    OutOfQueries if the function `over` says that the time is used up. If OutOfQueries is raised, `used_up` says which
    limit was reached.
    """

    def __init__(
        self,
        classifier: Classifier,
        sample: Images,
        *,
        engine: str = "auto",
        most: int | None = None,
        over: Callable[[], bool] = lambda: False,
    ) -> None:
        self.queries, self.most, self._over = 0, most, over
        self.used_up = ""
        self._classifier = classifier
        if classifier.costly:  # an engine would fill up its batches, and somebody would pay for that
            self._run: Callable[[Images], NDArray[Any]] = classifier
        else:
            self._run, _ = choose_engine(classifier, engine, rows=default_rows(classifier.input_shape), sample=sample)

    def labels(self, images: Images) -> NDArray[np.int64]:
        """The predicted labels (N,) of the images. A label is -1 if the scores are NaN or infinite."""
        if not len(images):
            return np.zeros(0, dtype=np.int64)
        self.spend(len(images))
        self._check_left(len(images))
        try:
            return labels_of(self._run(images)).astype(np.int64)
        except InputError:
            self._check_left(len(images))  # further tries of requests count too
            raise

    def spend(self, queries: int) -> None:
        """Add `queries` to the count. Raises OutOfQueries if the count would exceed the limit of queries."""
        if self._over():
            self.used_up = "The allowed time was used up."
            raise OutOfQueries
        if self.most is not None and self.queries + queries > self.most:
            self.used_up = f"The {self.most:,} allowed queries were used up."
            raise OutOfQueries
        self.queries += queries

    def _check_left(self, images: int) -> None:
        left = self._classifier.queries_left
        if left is not None and images > left:
            self.queries -= images
            self.used_up = "The images that may be sent to the endpoint in one run (endpoint_queries=) were used up."
            raise OutOfQueries

    def hits(self, carried: Sequence[Carried], images: Images, label: int) -> NDArray[np.bool_]:
        """Put each found pattern on all images, and return which images then get the class `label`: bool (patterns,
        N)."""
        found = np.zeros((len(carried), len(images)), dtype=bool)
        step = max(1, _MOST_FLOATS // max(1, images.size))
        for start in range(0, len(carried), step):
            some = carried[start : start + step]
            labels = self.labels(np.concatenate([one(images) for one in some]))
            found[start : start + step] = (labels == label).reshape(len(some), -1)
        return found
