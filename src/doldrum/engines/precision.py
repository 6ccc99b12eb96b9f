"""In which precision a device multiplies fastest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["best_precision", "precisions"]

_CPUS = Path("/proc/cpuinfo")


def best_precision(device: torch.device | None = None) -> str:
    """The precision that is fastest by all that is known without timing: "bf16" on a recent GPU and with AMX, else "fp32".

    AVX512-BF16 alone doesn't count: which of the two is faster then differs from maker to maker (see `precisions`).
    """
    if device is None and not _says("amx_tile"):
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


def precisions() -> list[str]:
    """What is worth timing on this processor, best guess first.

    Without AMX, AVX512-BF16 is half as fast as fp32 on the Intel processor that we measured, and twice as fast on the one from AMD
    (docs/performance.md): only timing tells.
    """
    both = ["bf16", "fp32"]
    if best_precision() == "fp32":
        both = ["fp32", "bf16"] if _says("avx512_bf16", unknown=False) else ["fp32"]
    return both


def _says(flag: str, *, unknown: bool = True) -> bool:
    """Whether Linux lists this among the processor's features: to ask torch takes an import of 1.5 s, which ONNX files do without."""
    try:
        return flag in _CPUS.read_text(encoding="utf-8")
    except OSError:
        return unknown
