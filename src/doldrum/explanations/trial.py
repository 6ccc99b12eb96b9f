"""`Trial` chooses, for each image, the method whose pattern works best compared with the controls.

Only the pattern of the chosen method is tested on held-back images, and only once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doldrum.explanations.asking import OutOfQueries
from doldrum.explanations.compare import Choice, choose, rank, worst_p
from doldrum.explanations.effort import FEWEST_CONTROLS
from doldrum.explanations.methods.all import METHODS
from doldrum.explanations.methods.base import Carried, Method
from doldrum.explanations.methods.shared import Sum, resemblance, shared_part
from doldrum.explanations.pictures import shown
from doldrum.explanations.pools import FEWEST_HELD
from doldrum.explanations.search import Found, Searcher, Source
from doldrum.explanations.telling import unproven_why, why
from doldrum.pixels import digest_of_image
from doldrum.records.explanations import Explanation, Success
from doldrum.stats.effects import holm
from doldrum.stats.proportions import proportion

__all__ = ["LEAST_MARGIN", "LEAST_SUCCESS", "Trial"]

LEAST_SUCCESS, LEAST_MARGIN = 0.2, 0.15
"""A trigger is proven only if it changes at least the share LEAST_SUCCESS of the held-back images.

The share of held-back images that the trigger changes must be larger than the share that the best control's pattern
changes, by at least LEAST_MARGIN.
"""
_CLEAR = 0.5  # a margin on the choosing images with which no further method is tried
_WORTH = 0.1  # a margin without which nothing is tested
_MOST_OWN = 100  # trusted images of the class that are asked whether they hold what others share
_FEWEST_TOGETHER, _MOST_TOGETHER = 5, 32  # images of a group


@dataclass(frozen=True, eq=False)
class _Candidate:
    method: Method
    found: Found
    controls: list[Found]
    choice: Choice


@dataclass(frozen=True, eq=False)
class _Tested:
    carried: Carried
    ours: NDArray[np.bool_]
    controls: list[NDArray[np.bool_]]
    p: float
    rank: float
    holds: float | None


class Trial:
    """Explains all images of one call of `explain`. `steps` is the approximate number of searches for these images."""

    def __init__(self, searcher: Searcher, sources: Sequence[Source], *, alpha: float) -> None:
        self.searcher, self.sources, self.alpha = searcher, sources, alpha
        self.unreached: list[str] = []  # names of images; none unless the queries or the time were over
        classes = {source.label for source in sources}
        self.steps = len(METHODS) * (len(sources) + len(classes) * searcher.pools.effort.controls) + len(sources)

    def run(self, names: Sequence[str], advance: Callable[[int], None]) -> list[Explanation]:
        """Explain all images, and return one Explanation per image, in the order of the images."""
        count = len(names)
        self._reasons = [self._unfit(source) for source in self.sources]
        self._tried: list[list[_Candidate]] = [[] for _ in range(count)]
        tested: list[_Tested | None] = [None] * count
        done = [reason is not None for reason in self._reasons]
        try:
            # Class by class, as they come: where queries don't last, the first classes have their tests
            for label in dict.fromkeys(source.label for source, out in zip(self.sources, done, strict=True) if not out):
                rows = [i for i, source in enumerate(self.sources) if source.label == label and not done[i]]
                for method in METHODS:
                    for i, source in self._open(rows, method):
                        self._tried[i] += self._candidates(method, source, advance)
                    # What is clear is tested at once, and the rest when all was tried
                    for i in rows:
                        best = self._best(i)
                        least = _WORTH if method is METHODS[-1] else _CLEAR
                        if best is not None and tested[i] is None and best.choice.margin >= least:
                            tested[i] = self._test(best, self.sources[i], self._tried[i])
                            done[i] = True
                for i in rows:
                    done[i] = True
                    advance(1)
        except OutOfQueries:
            self.unreached = [name for name, out in zip(names, done, strict=True) if not out]
        # One test an image, whatever came of it: those without one count as p = 1
        adjusted = holm([1.0 if t is None else t.p for t in tested])
        return [self._explanation(i, names[i], tested[i], float(adjusted[i]), reached=done[i]) for i in range(count)]

    def _best(self, i: int) -> _Candidate | None:
        """The candidate pattern with the best score for image `i`, or None.

        If several candidates have the best score, the first of these candidates is returned.
        """
        return max(self._tried[i], key=lambda one: one.choice.score, default=None)

    def _unfit(self, source: Source) -> str | None:
        """The reason why no pattern of an image can be tested, or None if a pattern can be tested."""
        if source.label < 0:
            return "The model gave no valid answer to this image: its scores were NaN or infinite."
        pool = self.searcher.pool(source.label)
        if len(pool.held) < FEWEST_HELD:
            others = len(pool.held) + len(pool.choose)
            found = (
                f"Only {others:,} of the clean images {'is' if others == 1 else 'are'}"
                if others
                else "None of the clean images is"
            )
            return (
                f"{found} predicted as another class than this image. At least {2 * FEWEST_HELD - 1} such images are needed: half of them for the search, and half to test what "
                "was found. Give clean images of several classes, or check how the model is opened (size, mean, std)."
            )
        if len(pool.own) < FEWEST_CONTROLS:
            own = f"Only {len(pool.own)}" if len(pool.own) else "None"
            return f"{own} of the clean images {'are' if len(pool.own) > 1 else 'is'} predicted as this class, and {FEWEST_CONTROLS} such images are needed for comparison. Without a comparison, a region that shows the class itself would count as a trigger."
        return None

    def _open(self, rows: Sequence[int], method: Method) -> list[tuple[int, Source]]:
        """Pairs (image index, source to search) for the images on which the method must still be tried.

        All images of `rows` have one predicted class. For each image, a method that takes several images together
        searches other images of `rows`, but not the image itself.
        """
        rows = [i for i in rows if (best := self._best(i)) is None or best.choice.margin < _CLEAR]
        if not method.together:
            return [(i, self.sources[i]) for i in rows]
        made = []
        for i in rows:
            # Without the image itself: what the others share is then held against it
            others = [self.sources[j] for j in rows if j != i][:_MOST_TOGETHER]
            if len(others) >= _FEWEST_TOGETHER - 1:
                name = hashlib.blake2b("".join(one.name for one in others).encode(), digest_size=8).hexdigest()
                made.append((i, Source(name, np.concatenate([one.images for one in others]), others[0].label)))
        return made

    def _candidates(self, method: Method, source: Source, advance: Callable[[int], None]) -> list[_Candidate]:
        """Run a method on an image, and return a list with one candidate: the pattern size that works best compared
        with the controls.

        The list is empty if no pattern works well enough, or if there are too few controls.
        """
        found = self.searcher.find(method, source)
        advance(1)
        classes = self.searcher.pools.labels[self.searcher.pool(source.label).choose]
        if choose(found, [], classes).margin < LEAST_SUCCESS:
            return []
        controls = []
        for control in self.searcher.controls(method, source.label, len(source.images)):
            known = self.searcher.known(method, control)
            controls.append(self.searcher.find(method, control))
            advance(0 if known else 1)
        if len(controls) < FEWEST_CONTROLS:
            return []
        return [_Candidate(method, found, controls, choose(found, controls, classes))]

    def _test(self, candidate: _Candidate, source: Source, tried: Sequence[_Candidate]) -> _Tested:
        searcher, choice, method = self.searcher, candidate.choice, candidate.method
        carried = searcher.smallest(method, candidate.found, choice.level, choice.scope)
        held = searcher.held(source.label, choice.scope)
        ours = searcher.tried(method, candidate.found.source, carried, choice.scope)
        theirs = [searcher.tried(method, c.source, c.carried[choice.level], choice.scope) for c in candidate.controls]
        assert len(ours) == len(held)
        holds = self._holds(source, candidate, carried) if isinstance(carried, Sum) else None
        alike = [one for one in tried if one.method.together == method.together]
        classes = searcher.pools.labels[searcher.pool(source.label).choose]
        place = rank([one.found for one in alike], [one.controls for one in alike], classes)
        return _Tested(carried, ours, theirs, worst_p(ours, theirs), place, holds)

    def _holds(self, source: Source, candidate: _Candidate, carried: Sum) -> float:
        """A conformal p-value: the share of images that contain at least as much of the shared pattern as the explained
        image does.

        "Images" here means the trusted images of the class and the explained image. A matched filter measures how much
        of the pattern an image contains. If an image keeps its class when the pattern is subtracted, the image counts
        as containing nothing of the pattern.
        """
        pools, pool, asker = self.searcher.pools, self.searcher.pool(source.label), self.searcher.asker
        clean, group = pools.images[pool.choose], candidate.found.source
        images = np.concatenate([source.images, pools.images[pool.own[:_MOST_OWN]]])
        name = f"away/{source.label}/{group.name}/{carried.level}/{source.name}"
        left = self.searcher.kept.get(name, lambda: asker.labels(carried.away(images)).tolist())
        amount = resemblance(images, shared_part(group.images, clean), clean)
        amount[np.array(left) == source.label] = -np.inf
        return float((amount >= amount[0]).mean())

    def _searched(self, label: int) -> tuple[str, ...]:
        """The value of `Explanation.searched`: the digests of the clean images that were used to search for triggers to
        the class `label`."""
        pools = self.searcher.pools
        return tuple(digest_of_image(image) for image in pools.images[self.searcher.pool(label).choose])

    def _explanation(self, i: int, name: str, tested: _Tested | None, adjusted: float, *, reached: bool) -> Explanation:
        source, candidate = self.sources[i], self._best(i)
        if candidate is None or tested is None:
            told = self._reasons[i] or unproven_why(candidate.choice if candidate else None, reached=reached)
            return Explanation(image=name, label=source.label, proven=False, why=told)
        choice = candidate.choice
        top = max(range(len(tested.controls)), key=lambda j: int(tested.controls[j].sum()))
        success, control = _success(tested.ours), _success(tested.controls[top])
        far = success.value >= LEAST_SUCCESS and success.value - control.value >= LEAST_MARGIN
        holds = tested.holds is None or tested.holds <= self.alpha
        first = tested.rank <= 1 / (1 + FEWEST_CONTROLS)
        proven = bool(adjusted <= self.alpha and far and first and holds)
        together = len(candidate.found.source.images) + 1 if candidate.method.together else 1
        pictures, labels = shown(
            self.searcher, source, tested.carried, candidate.controls[top].source,
            candidate.controls[top].carried[choice.level], choice.scope,
        )  # fmt: skip
        made = Explanation(
            image=name, label=source.label, proven=proven, why="", kind=candidate.method.kind, size=tested.carried.size,
            where=tested.carried.where(), scope=choice.scope, together=together, success=success, control=control,
            controls=len(tested.controls), p_value=tested.p, p_adjusted=adjusted, rank=tested.rank, holds=tested.holds,
            labels=labels, shown=pictures, searched=self._searched(source.label) if proven else (),
            trigger=tested.carried.trigger().to_dict() if proven else None,
        )  # fmt: skip
        return Explanation(**{**vars(made), "why": why(made, alpha=self.alpha)})


def _success(hits: NDArray[np.bool_]) -> Success:
    found = proportion(int(hits.sum()), len(hits))
    return Success(int(hits.sum()), len(hits), found.value, found.lower, found.upper)
