"""Outside of the confined process: sending a job's work in, and drawing and saying what it tells on the way."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from doldrum.confined.job import Begun, Job
from doldrum.confined.settings import JobSettings
from doldrum.errors import SandboxError
from doldrum.intake import visible
from doldrum.opening.files import readable
from doldrum.progress import progress_bar
from doldrum.sandbox import Limits, run_confined

__all__ = ["send"]


def send(
    job: Job, settings: JobSettings, sent: dict[str, Any], begun: Begun, *, progress: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """What the job's function answers in a confined process to the settings as `sent`; its messages are drawn and said."""
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
    )
    with contextlib.ExitStack() as bars:
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

        found = run_confined(job.function, asked, limits=limits, on_message=hear)
    if not isinstance(found, dict):
        raise SandboxError("expected facts from the confined process, got something else", reason="nonsense")
    return found
