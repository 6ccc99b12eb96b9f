"""docs/results/detection-design.md, "Triggers that change the whole image"."""

from __future__ import annotations

from collections.abc import Iterator

from doldrum.records.attacks import IMAGE_WIDE, IMAGE_WIDE_HELD_OUT
from results.figures import Row, Studies, mean_over_attacks, short

PAGE = "docs/results/detection-design.md"
STUDY = "detection-wide"


def quotes(studies: Studies) -> Iterator[str]:
    for attack in (*IMAGE_WIDE, *IMAGE_WIDE_HELD_OUT):
        yield line(f"`{attack}`", studies, [attack])
    yield line("**mean of the development attacks**", studies, IMAGE_WIDE)
    yield line("**mean of the attacks that are held out**", studies, IMAGE_WIDE_HELD_OUT)


def line(title: str, studies: Studies, attacks: tuple[str, ...] | list[str]) -> str:
    """A row of the table. The models of an attack are given separately, and means over attacks as one figure."""

    def of(detector: str, key: str) -> str:
        rows: list[Row] = [r for r in studies.rows(STUDY, "rows", detector=detector) if r["attack"] in attacks]
        if len(attacks) > 1:
            return short(mean_over_attacks(rows, key))
        return " / ".join(short(r[key]) for r in sorted(rows, key=lambda r: r["seed"]))

    return f"| {' | '.join([title, of('profile', 'tpr1'), of('profile', 'tpr5'), of('strip', 'tpr1'), of('strip', 'tpr5')])} |"
