"""The geometry of the small plots of a smoothness profile, one plot (panel) per kind of perturbation; the template draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["HEIGHT", "WIDTH", "Panel", "panels", "points"]

WIDTH, HEIGHT = 150, 92
_LEFT, _RIGHT, _TOP, _BOTTOM = 18.0, 142.0, 7.0, 72.0
_TITLES = {"flip": "flipped or turned", "cutmix": "half replaced", "hybrid": "coarse part replaced"}
_HALF = 14.0  # a family of one strength has a bar for a band, this wide to each side


@dataclass(frozen=True)
class Panel:
    """The plot of one kind of perturbation: the strengths with their x positions, and the band of clean inputs.

    The band is a polygon, and the median is a line; the corners of both shapes are given as SVG points.
    """

    name: str
    first: int
    strengths: tuple[str, ...]
    xs: tuple[float, ...]
    band: str
    middle: str
    low: tuple[float, ...]
    centre: tuple[float, ...]
    high: tuple[float, ...]

    def marks(self, kept: Sequence[float | None]) -> list[tuple[float, float, bool]]:
        """The positions of one input's dots, and whether each dot is outside the band of clean inputs."""
        own = kept[self.first : self.first + len(self.xs)]
        return [
            (x, _y(k), not low <= k <= high)
            for x, k, low, high in zip(self.xs, own, self.low, self.high, strict=True)
            if k is not None
        ]

    def line(self, kept: Sequence[float | None]) -> str:
        """The line of one input as SVG points."""
        return " ".join(f"{x:g},{y:g}" for x, y, _ in self.marks(kept))


def panels(
    families: Sequence[tuple[str, Sequence[float], Sequence[float], Sequence[float], Sequence[float]]],
) -> list[Panel]:
    """Make one panel from each (name, strengths, low, middle, high). The list `kept` of an input has one value per
    strength, in the order of the panels.

    The strengths are placed at equal distances in the given order, because each kind of perturbation has its own unit of
    strength.

    >>> panels([("gaussian", [0.1, 0.2], [0.5, 0.2], [0.9, 0.5], [1.0, 0.8])])[0].line([1.0, 0.5])
    '18,7 142,39.5'
    """
    made, first = [], 0
    for name, strengths, low, middle, high in families:
        count = len(strengths)
        step = (_RIGHT - _LEFT) / max(count - 1, 1)
        xs = tuple(round(_LEFT + i * step, 1) for i in range(count)) if count > 1 else ((_LEFT + _RIGHT) / 2,)
        wide = (
            (lambda values, xs=xs: [(xs[0] - _HALF, values[0]), (xs[0] + _HALF, values[0])])
            if count == 1
            else (lambda values, xs=xs: list(zip(xs, values, strict=True)))
        )
        made.append(
            Panel(
                name=_TITLES.get(name, name),
                first=first,
                strengths=tuple(f"{s:.3g}" for s in strengths),
                xs=xs,
                band=points(wide(high) + wide(low)[::-1]),
                middle=points(wide(middle)),
                low=tuple(low),
                centre=tuple(middle),
                high=tuple(high),
            )
        )
        first += count
    return made


def points(pairs: Sequence[tuple[float, float]]) -> str:
    """Format pairs (x, share) as the value of the SVG attribute `points`.

    >>> points([(18.0, 1.0), (142.0, 0.0)])
    '18,7 142,72'
    """
    return " ".join(f"{x:g},{_y(share):g}" for x, share in pairs)


def _y(share: float) -> float:
    return round(_BOTTOM - share * (_BOTTOM - _TOP), 1)
