"""The range that the demo's own report shows."""

from __future__ import annotations

from collections.abc import Iterator

from results import demo
from results.figures import Studies

PAGE = "src/doldrum/report/demo/expected.py"


def quotes(studies: Studies) -> Iterator[str]:
    for scale in demo.SCALES:
        falls = [demo.fell(run) for run in demo.of(scale)]
        fp32, bf16 = demo.seeds(scale)
        yield f'"{scale}": Expected(fp32={fp32}, bf16={bf16}, fell=({min(falls):.2f}, {max(falls):.2f}))'
