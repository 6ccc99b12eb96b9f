"""What a run of the demo is expected to find, over seeds and kinds of arithmetic.

Measured by tools/demo-range; tools/check-figures holds the figures here to docs/results/demo/range.json.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EXPECTED", "Expected"]


@dataclass(frozen=True)
class Expected:
    """By how much W fell, least and most, with `seeds` seeds, each in fp32 and in bf16."""

    seeds: int
    fell: tuple[float, float]

    @property
    def runs(self) -> int:
        return 2 * self.seeds


EXPECTED = {
    "full": Expected(seeds=5, fell=(0.08, 0.14)),
    "fast": Expected(seeds=5, fell=(0.06, 0.10)),
}
"""By the `scale` of a record; other settings have no range."""
