"""Decodes image files to the pixels that the model takes, in a confined process."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import SandboxError
from doldrum.intake import ImageLimits, Skipped, fit_image, visible
from doldrum.intake.members import picture_or_why
from doldrum.sandbox import Limits, Service

__all__ = ["Decoder", "serve"]

_MEMORY = 2 << 30
_SECONDS = 20.0  # to start, and for one image: the largest take about two


class Decoder:
    """Decodes an image's bytes to uint8 (C, H, W), or returns the reason why the image cannot be read.

    The pixels are the same as in `doldrum scan`. If an image exceeds the process's memory or time, the process ends,
    and starts again for the next image. Images are decoded one at a time. So call the decoder from only one thread, and
    `close` it at the end.
    """

    def __init__(
        self, shape: tuple[int, int, int], *, resize: Literal["stretch", "crop"] = "stretch", pixels: int
    ) -> None:
        self._shape, self._told = shape, {"shape": list(shape), "resize": resize, "pixels": pixels}
        self._service = self._started()

    def __call__(self, data: bytes) -> NDArray[np.uint8] | str:
        try:
            return self._asked(data)
        except SandboxError as error:
            if error.reason == "died":  # of what, isn't known: of this image if it does so again
                with contextlib.suppress(SandboxError):
                    return self._asked(data)
            return (
                f"expected an image that can be decoded within {_SECONDS:g} s and {_MEMORY >> 20} MiB, got one that can't "
                f"({error.reason}); leave out this image"
            )

    def _asked(self, data: bytes) -> NDArray[np.uint8] | str:
        if self._service.ended:
            self._service = self._started()
        found: list[NDArray[np.uint8] | str] = []
        self._service.ask([({}, data)], lambda value, pixels: found.append(self._checked(value, pixels)))
        return found[0] if len(found) == 1 else "expected one image, got none; leave out this image"

    def close(self) -> None:
        """End the decoder's process."""
        self._service.close()

    def _started(self) -> Service:
        return Service(
            "doldrum.serving.decoder:serve", self._told, limits=Limits(memory=_MEMORY, seconds=_SECONDS, read=())
        )

    def _checked(self, why: Any, data: bytes) -> NDArray[np.uint8] | str:
        """Check the answer of the decoder's process, because a hostile image may have taken over this process."""
        if why is None and len(data) == math.prod(self._shape):
            return np.frombuffer(data, np.uint8).reshape(self._shape)
        return (
            visible(why, most=500)
            if isinstance(why, str)
            else "expected an image, got invalid data from its decoder; leave out this image"
        )


def serve(told: dict[str, Any], tell: Callable[[Any], None]) -> tuple[None, Any]:
    """Return the function that handles requests in the confined process.

    A request is an encoded image. The answer is the image's pixels, or the reason why the image cannot be read.
    """
    limits = ImageLimits(pixels=told["pixels"])
    channels, height, width = told["shape"]

    def handle(request: Any, read: Any, block: Callable[[Any, Any], None]) -> None:
        found = picture_or_why("", request[1], label=None, limits=limits)
        if isinstance(found, Skipped):
            block(found.why, b"")
            return
        try:
            pixels = fit_image(found.planes, channels=channels, size=(height, width), resize=told["resize"])
        except ValueError as error:
            block(str(error), b"")
            return
        block(None, pixels.tobytes())

    return None, handle
