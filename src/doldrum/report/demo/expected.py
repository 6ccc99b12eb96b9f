"""The expected results of the demo: by how much W falls, with different seeds and number formats.

tools/demo-range measures these numbers. tools/check-figures checks that they agree with docs/results/demo/range.json.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EXPECTED", "Expected"]


@dataclass(frozen=True)
class Expected:
    """The smallest and the largest fall of W, over `fp32` seeds in fp32 and `bf16` seeds in bf16."""

    fp32: int
    bf16: int
    fell: tuple[float, float]

    @property
    def runs(self) -> int:
        return self.fp32 + self.bf16


EXPECTED = {
    "full": Expected(fp32=5, bf16=5, fell=(0.08, 0.14)),
    "fast": Expected(fp32=5, bf16=5, fell=(0.07, 0.12)),
}
"""The expected results for each `scale` of a demo record; for other settings there are none."""
