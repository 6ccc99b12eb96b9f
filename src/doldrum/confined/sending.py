"""Outside of the confined process: send a job's work to the confined process, and show the progress and the messages
from this process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from doldrum.confined.job import Begun, Job
from doldrum.confined.settings import JobSettings
from doldrum.errors import SandboxError
from doldrum.intake import visible
from doldrum.opening.files import readable
from doldrum.opening.settings import ModelSettings
from doldrum.progress import progress_bar
from doldrum.sandbox import Help, Limits, Request, run_confined
from doldrum.spread import kept_workers

__all__ = ["Helpers", "send"]

_OUT = 4  # batches that are out for each worker: one it is at, one it has, and others on the way
_REQUEST = 256 << 20  # bytes of a batch, with overlays
_MANY = 16  # workers, where the cluster knows how many they are


@dataclass(frozen=True)
class Helpers:
    """The choice of workers, on this machine or on a Ray cluster. `workers` and `ray` are the arguments of
    `doldrum.spread.spread`."""

    workers: int | None
    ray: str | None


def send(
    job: Job,
    settings: JobSettings,
    sent: dict[str, Any],
    begun: Begun,
    *,
    helpers: Helpers | None = None,
    progress: bool,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Run the job's function in a confined process with the settings `sent`. Show the progress and the messages of this
    process, and return the facts from the function.

    If `helpers` are given, the function can send batches of images to workers, which measure these images.
    """
    paths = [*readable(settings)]
    for name in settings.SOURCES:
        paths += sent[name] if isinstance(sent[name], list) else [sent[name]] * (sent[name] is not None)
    asked = {"settings": sent, "work": str(begun.work.resolve()), "seed": begun.seed}
    limits = Limits(
        memory=int(settings.memory * (1 << 30)),
        seconds=settings.hours * 3600,
        network=settings.remote,
        write=[asked["work"]],
        read=None if settings.trust_code else paths,
        environment=[] if settings.endpoint_token is None else [settings.endpoint_token],
        **({} if helpers is None else {"reply": _REQUEST}),
    )
    with contextlib.ExitStack() as bars, contextlib.ExitStack() as workers:
        advance: Callable[[int], None] = lambda count: None  # noqa: E731

        def hear(message: Any) -> None:
            nonlocal advance
            if not isinstance(message, Mapping):
                return
            stage, done, text = message.get("stage"), message.get("done"), message.get("say")
            if isinstance(stage, str) and stage in job.stages:
                total = message.get("total")
                bars.close()
                advance = bars.enter_context(
                    progress_bar(job.stages[stage], total if type(total) is int else None, show=progress)
                )
            if type(done) is int and 0 <= done < 1 << 31:
                advance(done)
            if isinstance(text, str):
                say(visible(text, most=1000))

        more = {} if helpers is None else {"help": _help(helpers, settings, workers)}
        found = run_confined(job.function, asked, limits=limits, on_message=hear, **more)
    if not isinstance(found, dict):
        raise SandboxError(
            "expected plain values (numbers, texts and lists) from the confined process, got an object of another type",
            reason="nonsense",
        )
    return found


def _help(helpers: Helpers, settings: JobSettings, workers: contextlib.ExitStack) -> Help:
    """Return a Help object that lets workers answer requests. The workers start at the first request, and run until the
    exit stack `workers` is closed."""
    from doldrum.confined.scanning.helping import Helper

    own = ModelSettings(**{field.name: getattr(settings, field.name) for field in fields(ModelSettings)})
    started: list[Callable[[Iterable[Request]], Iterator[Request]]] = []

    def answers(requests: Iterator[Request]) -> Iterator[Request]:
        if not started:
            kept = kept_workers(Helper(own, settings.hours), workers=helpers.workers, ray=helpers.ray)
            started.append(workers.enter_context(kept))
        return started[0](requests)

    return Help(answers, most=_OUT * (helpers.workers or _MANY))
