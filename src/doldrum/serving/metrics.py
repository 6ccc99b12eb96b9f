"""The service's metrics for Prometheus, in a registry of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from doldrum.detectors.deploy.watch import Kind

__all__ = ["CLASSIFY", "WATCH", "Metrics"]

CLASSIFY, WATCH = "/v1/classify", "/v1/watch"
_PATHS = (CLASSIFY, WATCH, "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json")
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The service's counters and histograms.

    `queued` returns the number of images in progress, and `watch` returns the current verdict of the watch (the test
    for drift).
    """

    def __init__(self, queued: Callable[[], float], watch: Callable[[], str]) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "doldrum_requests",
            "Requests answered, by path and status; 499 means that the client left before the answer.",
            ["path", "status"],
            registry=registry,
        )
        self._images = Counter(
            "doldrum_images",
            "Images judged, unreadable, and failed (the model gave no answer).",
            ["outcome"],
            registry=registry,
        )
        self._flags = Counter("doldrum_flags", "Images flagged.", registry=registry)
        self._seconds = Histogram(
            "doldrum_request_seconds",
            f"Seconds that a request to {CLASSIFY} took, including the time to receive its body.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._batches = Histogram("doldrum_batch_images", "Images judged together.", buckets=_IMAGES, registry=registry)
        Gauge("doldrum_queue_images", "Images accepted and not answered yet.", registry=registry).set_function(queued)
        told = Gauge(
            "doldrum_watch",
            "1 for the current verdict of the watch, 0 for the other verdicts.",
            ["verdict"],
            registry=registry,
        )
        for kind in get_args(Kind):
            told.labels(kind).set_function(lambda kind=kind: float(watch() == kind))
        ProcessCollector(registry=registry)
        for outcome in ("judged", "unreadable", "failed"):  # so that a rate can be taken from the start
            self._images.labels(outcome)

    def answered(self, path: str, status: int, seconds: float | None = None) -> None:
        """Count an answered request.

        All unknown paths are counted together, because clients can invent any number of paths.
        """
        known = path if path in _PATHS else "other"
        self._requests.labels(known, str(status)).inc()
        if known == CLASSIFY and seconds is not None:
            self._seconds.observe(seconds)

    def judged(self, outcome: str, *, flag: bool = False) -> None:
        """Count an image with the outcome "judged", "unreadable" or "failed"."""
        self._images.labels(outcome).inc()
        self._flags.inc(int(flag))

    def batch(self, images: int) -> None:
        """Record how many images were judged together."""
        self._batches.observe(images)

    def text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self.registry)
