"""`Searcher` runs a method on flagged images, and on trusted images of the same class for comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.explanations.asking import Asker
from doldrum.explanations.kept import Kept
from doldrum.explanations.methods.base import Carried, Images, Method, Score
from doldrum.explanations.pools import Pool, Pools
from doldrum.seeds import rng

__all__ = ["Found", "Searcher", "Source"]

_BY_CLASS = (
    0.25  # weight of the class that goes best, beside all classes: some triggers work on images of one class alone
)
_AS_WELL = 0.95  # of its success, which something smaller has to reach


@dataclass(frozen=True, eq=False)
class Source:
    """One or more images (g, C, H, W) to search for a trigger that leads to the class `label`. `name` identifies these
    images."""

    name: str
    images: Images
    label: int


@dataclass(frozen=True, eq=False)
class Found:
    """The patterns that a method found in one source of images: the best pattern of each level, and how well each
    pattern works.

    `hits` (levels, choose) says which of the choosing images each pattern changes to the class. `by_class` (levels,) is
    true for the levels at which a claim may be about images of a single class.
    """

    source: Source
    carried: list[Carried]
    hits: NDArray[np.bool_]
    by_class: NDArray[np.bool_]


class Searcher:
    """Runs search methods on sources of images. All results are stored by name in `kept`, so no search is repeated."""

    def __init__(self, asker: Asker, pools: Pools, kept: Kept, *, seed: int) -> None:
        self.asker, self.pools, self.kept, self.seed = asker, pools, kept, seed
        self._pools: dict[int, Pool] = {}
        self._found: dict[str, Found] = {}

    def pool(self, label: int) -> Pool:
        if label not in self._pools:
            self._pools[label] = self.pools.of(label)
        return self._pools[label]

    def find(self, method: Method, source: Source) -> Found:
        """Run a method on a source of images, and return the best pattern of each level."""
        name = f"find/{method.kind}/{source.label}/{source.name}"
        if name not in self._found:
            self._found[name] = self._find(method, source, name)
        return self._found[name]

    def _find(self, method: Method, source: Source, name: str) -> Found:
        pool = self.pool(source.label)
        choose = self.pools.images[pool.choose]

        def search() -> list[Any]:
            score = self._scored(pool, source.label)
            found = method.find(source.images, choose, score)
            hits = self.asker.hits(found, choose, source.label)
            return [[one.where(), "".join("01"[int(h)] for h in hit)] for one, hit in zip(found, hits, strict=True)]

        told = self.kept.get(name, search)
        carried = [method.again(source.images, choose, level, where) for level, (where, _) in enumerate(told)]
        hits = np.array([[c == "1" for c in one] for _, one in told], dtype=bool)
        return Found(source, carried, hits, np.array(method.levels) <= method.by_class)

    def _scored(self, pool: Pool, label: int) -> Score:
        images, classes = self.pools.images[pool.search], self.pools.labels[pool.search]
        groups = [classes == c for c in np.unique(classes) if (classes == c).sum() > 1]

        def score(carried: Sequence[Carried]) -> NDArray[np.float64]:
            hits = self.asker.hits(carried, images, label)
            best = np.max([hits[:, g].mean(axis=1) for g in groups], axis=0) if groups else 0.0
            return hits.mean(axis=1) + _BY_CLASS * best

        return score

    def controls(self, method: Method, label: int, group: int) -> list[Source]:
        """The controls for a class: trusted images of this class, or random groups of such images with `group` images
        each.

        Groups are used for a method that takes several images together. The seed decides which images are in a group.
        """
        own, count = self.pool(label).own, self.pools.effort.controls
        if not method.together:
            return [Source(f"control-{i}", self.pools.images[i : i + 1], label) for i in own[:count].tolist()]
        if len(own) < 2 * group:
            return []
        drawn = [rng(self.seed, "explain", "group", label, n).permutation(own)[:group] for n in range(count)]
        return [Source(f"control-group-{group}-{n}", self.pools.images[rows], label) for n, rows in enumerate(drawn)]

    def known(self, method: Method, source: Source) -> bool:
        """Whether `find` was already called for this method and source. If `find` was already called, a second call
        takes no queries."""
        return f"find/{method.kind}/{source.label}/{source.name}" in self._found

    def held(self, label: int, scope: int | None) -> NDArray[np.int64]:
        """The indices of the held-back images of the class `scope`, on which a claim is tested. If `scope` is None, the
        result has held-back images of all classes except `label`.
        """
        held = self.pool(label).held
        held = held if scope is None else held[self.pools.labels[held] == scope]
        return held[: self.pools.effort.held]

    def smallest(self, method: Method, found: Found, level: int, scope: int | None) -> Carried:
        """Make the pattern found at a level smaller, for as long as it works almost as well on the choosing images."""
        pool, source = self.pool(found.source.label), found.source
        rows = pool.choose if scope is None else pool.choose[self.pools.labels[pool.choose] == scope]
        images = self.pools.images[rows]
        start = found.carried[level]

        def search() -> Any:
            floor = _AS_WELL * self.asker.hits([start], images, source.label).mean()
            return method.smaller(
                start, lambda ones: self.asker.hits(ones, images, source.label).mean(axis=1) >= floor
            ).where()

        where = self.kept.get(f"smallest/{method.kind}/{source.label}/{source.name}/{level}/{scope}", search)
        return method.again(source.images, self.pools.images[pool.choose], level, where)

    def tried(self, method: Method, source: Source, carried: Carried, scope: int | None) -> NDArray[np.bool_]:
        """Put a pattern on the held-back images, and return which of these images change to the class: bool (held,)."""
        images = self.pools.images[self.held(source.label, scope)]
        name = f"held/{method.kind}/{source.label}/{source.name}/{carried.level}/{scope}"
        hits = self.kept.get(
            name, lambda: "".join("01"[int(h)] for h in self.asker.hits([carried], images, source.label)[0])
        )
        return np.array([c == "1" for c in hits], dtype=bool)
