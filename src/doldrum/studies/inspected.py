"""Cells and settings that the studies of whole models share.

In all cells, models are inspected in the same way, because a model can only be compared with references that were inspected
in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from doldrum.attacks import ATTACKS, CLEAN, VictimSpec
from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.inspectors.examine import inspectors_of
from doldrum.seeds import rng
from doldrum.studies.base import Cell, datasets, facts_of, num_test_images
from doldrum.studies.cell_checks import at_most, check_whole

__all__ = ["INVERSIONS", "REFERENCES", "SEED", "ModelCell"]

REFERENCES = 300
"""A clean model is a reference model if its seed is at least this number."""
SEED = 0
"""The seed of every inspection, and of the order of the test images; the first images in this order are used to inspect."""
INVERSIONS = ("mask", "additive", "low-frequency", "blend", "warp")
_EVALUATED = 2000  # test images for accuracy and ASR; none of them is used to inspect


@dataclass(frozen=True, kw_only=True)
class ModelCell(Cell):
    """A cell with one model, which is inspected by the methods in `inspectors`. `inputs` is the number of clean images
    for the inspection.

    If no target class is given, it varies with the attack and the seed. `pick`, `draws`, `strengths` and `sigma` are not used.
    """

    fewest: ClassVar[int] = 20
    """The smallest allowed value of `inputs`, the number of clean images."""

    inputs: int = 1000
    inspectors: tuple[str, ...] = INVERSIONS

    def __post_init__(self) -> None:
        check_whole(self, ("inputs", self.fewest, None), ("seed", 0, 2**63 - 1))
        if isinstance(self.inspectors, str):
            raise InputError(f"expected a list of inspectors, got {self.inspectors!r}; e.g. ['mask']")
        object.__setattr__(self, "inspectors", tuple(self.inspectors))
        inspectors_of(self.inspectors)
        if self.target is None and self.attack in ATTACKS and isinstance(self.data, str):
            target = (7 * list(ATTACKS).index(self.attack) + 3 * self.seed) % facts_of(self.data).classes
            object.__setattr__(self, "target", target)
        super().__post_init__()
        at_most(num_test_images(self.data), self.data, self.inputs + 100, what="inputs and 100 others together")

    @property
    def victim(self) -> VictimSpec:
        return self.clean() if self.attack == CLEAN else super().victim

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "inspectors": list(self.inspectors)}

    def images(self) -> tuple[ImageSet, ImageSet]:
        """Two disjoint sets of clean test images, which are the same for all models. The first set is for the
        inspection. The second set, of up to 2,000 images, is for accuracy and ASR."""
        test = datasets(self.data)[1]
        order = rng(SEED, "study", "inspection").permutation(len(test))
        return test.take(order[: self.inputs]), test.take(order[self.inputs :][:_EVALUATED])
