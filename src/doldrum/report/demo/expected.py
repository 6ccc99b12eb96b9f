"""What a run of the demo is expected to find, over seeds and kinds of arithmetic.

Measured by tools/demo-range; tools/check-figures holds the figures here to docs/results/demo/range.json.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EXPECTED", "Expected"]


@dataclass(frozen=True)
class Expected:
    """By how much W fell, least and most, with so many seeds in fp32 and in bf16."""

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
"""By the `scale` of a record; other settings have no range."""
