"""What every family that adds noise shares: x + strength * noise_j."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NoiseBank", "tensor_on"]


class NoiseBank:
    """The n draws of one input shape, made once; n * C * H * W * 4 bytes, and as many on a device that noise is added on."""

    def __init__(self, bank: NDArray[np.float32], strengths: Sequence[float], *, clip: bool) -> None:
        self.bank, self.strengths, self.clip = bank, strengths, clip
        self._there: Any = None

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        np.multiply(self.bank[start:stop], np.float32(self.strengths[condition]), out=out)
        out += image
        if self.clip:
            np.clip(out, 0.0, 1.0, out=out)

    def fill_on(self, images: Any, condition: int, start: int, stop: int, out: Any) -> None:
        """`fill` of several images, (N, C, H, W), into `out` (N, stop - start, C, H, W): float32 tensors on one device.

        The draws are those of `fill`, copied there once. Product and sum are rounded one after the other, as there: the values are the same bits.
        """
        import torch

        if self._there is None or self._there.device != out.device:
            self._there = tensor_on(self.bank, out.device)
        noise = self._there[start:stop] * float(np.float32(self.strengths[condition]))
        torch.add(noise[None], images[:, None], out=out)
        if self.clip:
            out.clamp_(0.0, 1.0)


def tensor_on(values: NDArray[np.float32], device: Any) -> Any:
    """A copy of an array on a torch device; nothing waits for it to arrive on a GPU."""
    import torch

    host = torch.empty(values.shape, pin_memory=torch.device(device).type == "cuda")
    host.numpy()[:] = values
    return host.to(device, non_blocking=True)
