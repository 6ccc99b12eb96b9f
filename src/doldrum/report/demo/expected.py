"""The expected results of the demo: by how much W falls, with different seeds and number formats.

tools/demo-range measures the expected results. tools/check-figures checks that this file agrees with docs/results/demo/range.json.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EXPECTED", "Expected"]


@dataclass(frozen=True)
class Expected:
    """The expected fall of W. `fell` holds two numbers: the smallest and the largest fall of W over all runs. `fp32`
    and `bf16` are the numbers of runs in these number formats."""

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
"""The expected results for each `scale` of a demo record. No results are known for any other settings."""
