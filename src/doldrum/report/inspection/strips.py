"""The figure of an inspection: one strip per inspector, with one dot per route and the range of the reference models.

A route is a pair of source class and target class of a possible trigger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Strip", "strips"]

_WIDTH, _MARGIN = 400.0, 8.0


@dataclass(frozen=True)
class Strip:
    """The strip of one inspector, a row of dots on a line.

    Each of `dots` is (x position, text, whether the verdict is based on this dot). `band` is the range of the reference models as
    (x position, width), or None. `zero` is the x position of the value 0.
    """

    title: str
    name: str
    dots: tuple[tuple[float, str, bool], ...]
    band: tuple[float, float] | None
    zero: float
    most: str
    reached: str

    @property
    def spoken(self) -> str:
        """The figure in words, for screen readers; the numbers are in the table next to the figure."""
        references = (
            "" if self.band is None else f" The most suspicious values of the reference models are from {self.reached}."
        )
        verdict = next(
            (
                f" The dot on which the verdict is based is {words}."
                for _, words, most in self.dots
                if most and words != self.most
            ),
            "",
        )
        return f"{len(self.dots):,} dots. The dot furthest to the right is {self.most}.{verdict}{references}"


def strips(
    inspectors: Sequence[Mapping[str, Any]],
    finding: Mapping[str, Any] | None,
    names: Sequence[str] | None,
    *,
    promised: bool,
) -> list[Strip]:
    """Make one strip for each inspector with results. All strips have the same scale, in standard deviations.

    >>> one = {"name": "mask", "title": "a mask", "values": [[None, 0, 1.0, 0.0], [None, 1, 1.0, 4.0]], "band": [1.0, 3.0]}
    >>> made = strips([one], {"inspector": "mask", "source": None, "target": 1}, None, promised=True)[0]
    >>> made.dots, made.band, made.spoken
    (((8.0, '0: +0.0', False), (392.0, '1: +4.0', True)), (104.0, 192.0), '2 dots. The dot furthest to the right is 1: +4.0. The most suspicious values of the reference models are from +1.0 to +3.0.')
    """
    found = {one["name"]: [(s, t, d) for s, t, _, d in one["values"] if d is not None] for one in inspectors}
    ends = [d for rows in found.values() for *_, d in rows] + [v for one in inspectors for v in one["band"] or ()]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    span = (high - low) or 1.0

    def x(value: float) -> float:
        return round(_MARGIN + (_WIDTH - 2 * _MARGIN) * (value - low) / span, 1)

    made: list[Strip] = []
    for one in inspectors:
        rows = found[one["name"]]
        if not rows:
            continue
        mine = finding is not None and finding["inspector"] == one["name"]
        where = (finding["source"], finding["target"]) if mine and finding is not None else None
        dots = [(x(d), f"{_route(s, t, names)}: {_signed(d)}", (s, t) == where) for s, t, d in rows]
        source, target, most = max(rows, key=lambda row: row[2])
        band = one["band"]
        made.append(
            Strip(
                title=one["title"],
                name=one["name"],
                dots=tuple(sorted(dots, key=lambda dot: dot[2])),
                band=None if band is None else (x(band[0]), round(x(band[1]) - x(band[0]), 1)),
                zero=x(0.0),
                most=f"{_route(source, target, names)}: {_signed(most)}",
                reached=f"{_signed(band[0])} to {_signed(band[1])}" if promised and band is not None else "none",
            )
        )
    return made


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def _route(source: int | None, target: int | None, names: Sequence[str] | None) -> str:
    told = [f"{k} ({names[k]})" if names else str(k) for k in (source, target) if k is not None]
    if source is None:
        return told[0] if told else "any to any other"
    return f"{told[0]} to {told[1] if target is not None else 'any other'}"
