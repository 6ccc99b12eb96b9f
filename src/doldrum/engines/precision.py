"""Find the precision in which a device multiplies fastest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["best_precision"]

_CPUS = Path("/proc/cpuinfo")


def best_precision(device: torch.device | None = None) -> str:
    """The fastest precision whose labels stay close to fp32: "bf16" on a recent GPU and on a processor with AMX, else "fp32".

    AVX512-BF16 without AMX is not enough for bf16. We measured two processors with AVX512-BF16 but without AMX: bf16
    had half the speed of fp32 on one processor, and up to twice the speed of fp32 on the other (docs/performance.md).
    """
    if device is None and _no_amx():
        return "fp32"
    try:
        import torch
    except ImportError:  # an extra: ONNX files and functions do without it
        return "fp32"
    if device is not None and device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())
    return "bf16" if fast else "fp32"


def _no_amx() -> bool:
    """Whether Linux says that the processor has no AMX. This check is faster than importing torch, which takes 1.5
    s."""
    try:
        return "amx_tile" not in _CPUS.read_text(encoding="utf-8")
    except OSError:
        return False
