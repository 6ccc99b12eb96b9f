"""The study repair: BackdoorBench's rating, and its page out of records whose means are known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from doldrum.errors import InputError
from doldrum.poisoning import Evaluation
from doldrum.poisoning.evaluate import Share
from doldrum.report.studies.repair.page import page
from doldrum.studies.repair.study import RepairCell, effectiveness


def known(accuracy: int, asr: int | None) -> Evaluation:
    some = lambda hits: Share.of(np.arange(100) < hits)  # noqa: E731
    return Evaluation(some(accuracy), None if asr is None else some(asr), (), None, 0, 0.95)


@pytest.mark.parametrize(
    ("before", "after", "der"),
    [((92, 98), (90, 2), 0.97), ((92, 98), (95, 99), 0.5), ((92, 98), (0, 98), 0.04), ((92, None), (90, None), None)],
)
def test_the_rating_is_backdoorbenchs(before, after, der) -> None:
    assert effectiveness(known(*before), known(*after)) == der


def test_the_page_says_which_method_does_best() -> None:
    def cell(attack: str, seed: int, asr: dict[str, float]) -> SimpleNamespace:
        clean = attack == "clean"
        rows = [
            {"method": m, "clean_accuracy": 0.9, "asr": None if clean else a, "der": None if clean else (1 - a + 1) / 2, "success": None, "verdict": "", "cpu_seconds": 1.0}
            for m, a in asr.items()
        ]  # fmt: skip
        values = {
            "clean_accuracy": 0.91,
            "asr": None if clean else 1.0,
            "found": None if clean else True,
            "methods": [*rows, {"method": "anp", "refused": "no"}],
        }
        return SimpleNamespace(cell={"attack": attack, "seed": seed, "inputs": 1000}, values=values)

    cells = [
        cell("badnets", 1, {"fine-tune": 0.9, "unlearn": 0.0}),
        cell("blended", 1, {"fine-tune": 0.8, "unlearn": 0.1}),
    ]
    made = page(SimpleNamespace(cells=[*cells, cell("clean", 1, {"fine-tune": 0, "unlearn": 0})]))
    assert "unlearn works best. Over 2 models, " in made.headline
    assert "and on 5.0% of the test images after the repair" in made.headline
    row = next(row for row in made.sections[0].tables[0].rows if row[0] == "fine-tune")
    assert row[1].startswith("85.0%")
    assert (row[2], row[3].split(" ")[0], row[4]) == ("90.0%", "+1.00", "+1.00")
    assert (
        "succeeds less often after a repair by unlearn than after a repair by fine-tune. The mean difference is 80.0 points (95%: "
        in made.lede[1]
    )  # .9 - 0 and .8 - .1: .9 and .7
    assert made.numbers["rows"][1]["asr"] == pytest.approx(0.05)


def test_cells_are_checked() -> None:
    with pytest.raises(InputError, match="methods among"):
        RepairCell(methods=("magic",))
    with pytest.raises(InputError, match="inspectors"):
        RepairCell(inspectors="mask")
    with pytest.raises(InputError, match="references"):
        RepairCell(references=-1)
    with pytest.raises(InputError, match="40"):
        RepairCell(inputs=5)
    from doldrum.studies.inspection.study import InspectionCell

    mine, theirs = (kind(attack="blended", seed=3, inputs=100) for kind in (RepairCell, InspectionCell))
    assert mine.victim.key == theirs.victim.key
