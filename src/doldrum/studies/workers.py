"""Run the cells of a study in this process, in other processes, or on a Ray cluster."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from doldrum.records.checks import jsonable
from doldrum.spread import results

__all__ = ["run_all", "run_one"]

Job = tuple[str, Any]
Outcome = tuple[str, Any, dict[str, Any]]


def run_one(run: Callable[[Any], Any], job: Job) -> Outcome:
    """Run one cell, and return (key, cell, {"values": …, "seconds": …}); if the cell fails, "error" and "trace" replace "values"."""
    key, cell = job
    began = time.perf_counter()
    try:
        found: dict[str, Any] = {"values": jsonable(run(cell), "values")}
    except Exception as error:
        # An error of one cell does not stop the others.
        found = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc(limit=-8)}
    return key, cell, {**found, "seconds": round(time.perf_counter() - began, 2)}


def run_all(
    run: Callable[[Any], Any], jobs: Sequence[Job], *, workers: int | None = None, ray: str | None = None
) -> Iterator[Outcome]:
    """Run all jobs, and yield the outcome of each job when it ends.

    One worker on this machine means this process; for more workers or a Ray cluster see `doldrum.spread`. `run` must be
    a function that other processes can import by its name. The values of a job do not depend on the process or machine
    that computes them. Raises EngineError if a worker is killed.
    """
    return results(partial(run_one, run), jobs, workers=workers, ray=ray, in_order=False, one_core=True)
