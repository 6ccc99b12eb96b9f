"""The lines that tools/few-images-study writes, and the table of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.errors import InputError


def records(path: Path) -> list[dict[str, Any]]:
    """The lines of a file that one of the tools wrote; none if there is no file. Raises InputError for another file."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"expected a new file, or one that this tool wrote, got {path} ({error}); name another"
        ) from error
    if not all(isinstance(row, dict) for row in rows):
        raise InputError(f"expected a new file, or one that this tool wrote, got {path}; name another")
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: a line per data set, network, size and promised rate; means over models and splits. Models that were trained or split in other ways get lines of their own."""
    lines = [
        "| data | classes | models | clean images: to fit + to calibrate | promised | TPR | lowest model | lowest split / mean | false alarms |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        if row["sizes"]:
            others = (row.get(name) for name in ("epochs", "patch", "images", "splits"))
            groups.setdefault((row["data"], row["recipe"], *others), []).append(row)
    for (data, recipe, *_), models in groups.items():
        for number, size in enumerate(models[0]["sizes"]):
            same = [model["sizes"][number] for model in models]
            tpr = np.array([np.array(s["hits"]) / m["hits"] for s, m in zip(same, models, strict=True)])
            false = np.mean([np.mean(s["false"]) / s["tested"] for s in same])
            mean = tpr.mean(axis=1)
            ratio = np.mean(tpr.min(axis=1)[mean > 0] / mean[mean > 0])
            lines.append(
                f"| `{data}`, `{recipe}` | {models[0]['classes']} | {len(models)} | {size['fit']} + {size['calibration']} | {100 * size['rate']:.0f}% | {tpr.mean():.2f} | {mean.min():.2f} | {ratio:.2f} | {100 * false:.1f}% |"
            )
    return "\n".join(lines)
