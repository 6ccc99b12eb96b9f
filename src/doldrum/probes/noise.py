"""The code that all probes with additive noise use: x + strength * noise_j."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NoiseBank", "tensor_on"]


class NoiseBank:
    """The noise of all n draws for one input shape.

    The noise takes n * C * H * W * 4 bytes of memory. If a GPU or another device adds the noise, the same amount of
    memory is needed on that device too.
    """

    def __init__(self, bank: NDArray[np.float32], strengths: Sequence[float], *, clip: bool) -> None:
        self.bank, self.strengths, self.clip = bank, strengths, clip
        self._there: Any = None

    def fill(self, image: NDArray[np.float32], condition: int, start: int, stop: int, out: NDArray[np.float32]) -> None:
        np.multiply(self.bank[start:stop], np.float32(self.strengths[condition]), out=out)
        out += image
        if self.clip:
            np.clip(out, 0.0, 1.0, out=out)

    def fill_on(self, images: Any, condition: int, start: int, stop: int, out: Any) -> None:
        """Do the same as `fill` for several images (N, C, H, W): write the noisy images to `out` (N, stop - start, C,
        H, W).

        `images` and `out` are float32 tensors on one device. The draws are the same as in `fill`, and are copied to the
        device only once. As in `fill`, strength times noise is computed and rounded first. Then the image is added, and
        the sum is rounded. So `fill` and `fill_on` give the same values, bit for bit.
        """
        import torch

        if self._there is None or self._there.device != out.device:
            self._there = tensor_on(self.bank, out.device)
        noise = self._there[start:stop] * float(np.float32(self.strengths[condition]))
        torch.add(noise[None], images[:, None], out=out)
        if self.clip:
            out.clamp_(0.0, 1.0)


def tensor_on(values: NDArray[np.float32], device: Any) -> Any:
    """A copy of an array on a torch device. On a GPU, the copy is asynchronous."""
    import torch

    host = torch.empty(values.shape, pin_memory=torch.device(device).type == "cuda")
    host.numpy()[:] = values
    return host.to(device, non_blocking=True)
