"""`Service` takes image files and returns verdicts. The service decodes images one at a time, and judges them in
batches.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.detectors import Guard
from doldrum.errors import DoldrumError
from doldrum.serving.batcher import Batcher
from doldrum.serving.decoder import Decoder
from doldrum.serving.judge import Judge, Judged, tell
from doldrum.serving.load import Load
from doldrum.serving.metrics import Metrics
from doldrum.serving.settings import ServeSettings
from doldrum.serving.verdicts import Answer, Verdict
from doldrum.serving.watched import Watched

__all__ = ["NO_ANSWER", "Service"]

NO_ANSWER = "expected an answer from the model, got none; try again later"
Pixels = NDArray[np.uint8]


class Service:
    """Judges image files with a Guard, and can handle many requests at a time.

    The service works while the block of `running` runs. A service can be run only once.

    Parameters
    ----------
    guard : Guard
        The model with its detector. The guard is used from only one thread.
    settings : ServeSettings
    class_names : sequence of str, optional
        The class names in the model's order.
    resize : "stretch" or "crop"
        How images of another size are resized.
    watch : Path, optional
        The file for the state of the guard's watch (its test for drift). If the file exists, the watch continues from
        this state. The file is written from time to time and at the end.

        Raises InputError if `watch` is a file without the state of a watch, or belongs to another running service.
    """

    def __init__(
        self,
        guard: Guard,
        settings: ServeSettings,
        *,
        class_names: Sequence[str] | None = None,
        resize: Any = "stretch",
        watch: Path | None = None,
    ) -> None:
        self.settings, self.ready, self.begun = settings, False, False
        self.load = Load(settings)
        self.watched = Watched(guard, watch)
        self.metrics = Metrics(lambda: self.load.images, lambda: self.watched.verdict.kind)
        self._names = class_names
        calibration, classifier = guard.detector.calibration, guard.detector.classifier
        assert calibration is not None
        assert classifier is not None
        self._fpr, self._shape = calibration.fpr, classifier.input_shape
        self._decoder = Decoder(self._shape, resize=resize, pixels=settings.max_pixels)
        self._decoding, self._judging = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._judge = Judge(guard, after=self.watched.look)
        self._batcher = Batcher[Pixels, Judged | None](
            self._timed, most=settings.batch, wait=settings.wait, thread=self._judging
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the service while the block runs, and end the decoder afterwards. The caller must close the model."""
        batches = asyncio.create_task(self._batcher.run())
        self.ready = self.begun = True
        try:
            yield
        finally:
            self.ready = False
            batches.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await batches
            for threads in (self._decoding, self._judging):
                await asyncio.to_thread(threads.shutdown, cancel_futures=True)
            self._decoder.close()
            self.watched.close()

    async def answer(self, files: Sequence[tuple[str, bytes]]) -> Answer:
        """Return the verdicts for image files, which are given as pairs (id, encoded image).

        One image is judged while the next is decoded. Call `load.taken` first.
        """
        async with asyncio.TaskGroup() as group:
            found: list[str | asyncio.Task[Judged | None] | None] = []
            for _, data in files:
                # One image of a request at a time waits to be decoded, so that a large request doesn't hold up the others.
                pixels = await self._decoded(data)
                judged = isinstance(pixels, np.ndarray)
                found.append(group.create_task(self._batcher(pixels)) if judged else pixels)
        verdicts = [
            self._verdict(name, one.result() if isinstance(one, asyncio.Task) else one)
            for (name, _), one in zip(files, found, strict=True)
        ]
        return Answer(results=verdicts, flagged=sum(v.flag is True for v in verdicts), fpr=self._fpr)

    async def _decoded(self, data: bytes) -> Pixels | str | None:
        """The pixels of an image, or the reason why it cannot be read. The result is None if the decoder cannot be
        started.
        """
        if not data:
            return "expected an image, got 0 bytes; leave out this image"
        try:
            return await asyncio.get_running_loop().run_in_executor(self._decoding, self._decoder, data)
        except (DoldrumError, OSError) as error:
            tell(error)
            return None

    def _timed(self, images: list[Pixels]) -> list[Judged | None]:
        start = time.perf_counter()
        found = self._judge(images)
        self.load.note_pace((time.perf_counter() - start) / len(images))
        self.metrics.batch(len(images))
        return found

    def _verdict(self, name: str, found: Judged | str | None) -> Verdict:
        """Make the verdict of one image, and count it in the metrics."""
        if not isinstance(found, Judged):
            self.metrics.judged("failed" if found is None else "unreadable")
            return Verdict(id=name, error=NO_ANSWER if found is None else found)
        self.metrics.judged("judged", flag=found.flag)
        called = None if found.label is None or self._names is None else self._names[found.label]
        return Verdict(id=name, label=found.label, class_name=called, p_value=found.p_value, flag=found.flag)
