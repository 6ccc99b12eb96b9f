"""The demo's runs over seeds and kinds of arithmetic, as tools/demo-range wrote them, in the words of the docs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from results import pages
from results.figures import Row, short, signed

RANGE = pages.RESULTS / "demo" / "range.json"
SCALES = ("full", "fast")


def runs() -> list[Row]:
    return json.loads(RANGE.read_text(encoding="utf-8"))["runs"]


def of(scale: str) -> list[Row]:
    """The runs that make the range: those whose arithmetic was given."""
    return [run for run in runs() if run["scale"] == scale and run["precision"]]


def shown() -> dict[str, Any]:
    """The run whose figure and table README and the docs show."""
    (found,) = (r for r in runs() if r["precision"] is None)
    return dict(found)


def backdoored(run: Row) -> dict[str, Any]:
    return run["models"][1]


def fell(run: Row) -> float:
    return -backdoored(run)["w_change"]


def seeds(scale: str) -> tuple[int, int]:
    """How many seeds ran in fp32, and how many in bf16."""
    found = [run["precision"] for run in of(scale)]
    return found.count("fp32"), found.count("bf16")


def between(scale: str, value: Callable[[Row], float], form: Callable[[float], str]) -> str:
    """Least and most over the runs."""
    values = [value(run) for run in of(scale)]
    return f"{form(min(values))} to {form(max(values))}"


def sentence(scale: str = "full") -> str:
    """By how much W fell, over all runs; all of them show it."""
    found = of(scale)
    shows = sum(backdoored(run)["w_change_ci"][1] < 0 for run in found)
    assert shows == len(found), f"W falls in {shows} of {len(found)} runs of the {scale} demo"
    fp32, bf16 = seeds(scale)
    return f"over {fp32} seeds in fp32 and {bf16} in bf16, W fell by {between(scale, fell, short)}"


def changed(model: Row) -> str:
    """The change of W by the trigger, with its limits."""
    low, high = map(signed, model["w_change_ci"])
    return f"{signed(model['w_change'])} (95% interval {low} to {high})"


def share(name: str) -> Callable[[Row], float]:
    return lambda run: backdoored(run)[name]


def percent(value: float) -> str:
    return f"{value:.1%}"


def sizes() -> str:
    """What the figure shows."""
    settings = shown()["settings"]
    return f"{settings['inputs']} Fashion-MNIST test images, {settings['draws']} draws per strength"


def seconds(scale: str) -> str:
    """What the processor took in fp32, all cores together, start of the program included: whole seconds, whatever else ran beside."""
    found = [run["processor_seconds"] for run in of(scale) if run["precision"] == "fp32"]
    return f"{min(found):.0f} to {max(found):.0f} s of processor time without AMX"
