"""The provenance of a result, for manifests and checkpoints: versions of libraries, and the machine."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["cores", "versions_and_machine"]

_PACKAGES = ("doldrum", "numpy", "scipy", "torch", "openvino", "onnxruntime", "pyarrow")


@cache
def versions_and_machine() -> dict[str, Any]:
    """The versions of Python and the libraries, and the processor. The result does not identify a person or a host.

    >>> sorted(versions_and_machine())
    ['machine', 'versions']
    """
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    machine = {
        "processor": _processor(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    return {"versions": versions, "machine": machine}


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if sys.platform == "linux" and info.exists():
        lines = info.read_text(errors="replace").splitlines()
        return next((s.split(":", 1)[1].strip() for s in lines if s.startswith("model name")), platform.machine())
    return platform.processor() or platform.machine()
