"""run_job runs a job of any kind: make the job's folder, send the work to a confined process, check the returned facts,
and write the results."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from doldrum.confined.folder import begin, forget
from doldrum.confined.job import Begun, Job
from doldrum.confined.sending import Helpers, send
from doldrum.confined.settings import JobSettings
from doldrum.errors import DoldrumError, SandboxError
from doldrum.intake import visible

__all__ = ["run_job"]

Settings = TypeVar("Settings", bound=JobSettings)
Result = TypeVar("Result")


def run_job(
    job: Job,
    settings: Settings,
    *,
    write: Callable[[Settings, dict[str, Any], Begun], Result],
    read: Callable[[Path], Result],
    send_as: Callable[[Settings, Path], dict[str, Any]] | None = None,
    helpers: Helpers | None = None,
    after: Callable[[dict[str, Any]], None] = lambda facts: None,
    progress: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> Result:
    """Run a new job, continue an interrupted job, or return the result of a finished job.

    Parameters
    ----------
    write : function
        The function `write` checks the facts that the confined process returned, writes all results (the record last),
        and returns the result. If the facts are impossible, the function raises ValueError, KeyError, TypeError or a
        similar error.
    read : function
        The function `read` reads the result from a record that `write` has written.
    send_as : function, optional
        The function `send_as` returns the settings that are sent to the confined process, and may put files into the
        given folder. By default, `settings.to_dict()` is sent.
    helpers : Helpers, optional
        Workers that measure images for the confined process. With workers, the job's function also gets the argument
        `ask` (:class:`doldrum.sandbox.Help`).
    after : function, optional
        A function that is called with the facts of the confined process, before the facts are checked and any result is
        written. If the function `after` fails or is interrupted, the results of the confined process are kept, and the
        same call of `run_job` continues from there.

    Raises
    ------
    InputError
        if the folder holds something else or is in use by another run, or if files are refused.
    SandboxError
        if the confined process needs more memory or time than allowed, dies, or returns impossible facts.
    OSError
        if the disk is full.
    """
    with begin(job, settings) as begun:
        record = begun.out / job.record
        if record.exists():
            say(f"the {job.name} in {begun.out} is already finished; nothing was done")
            return read(record)
        begun.work.mkdir(exist_ok=True)
        try:
            sent = settings.to_dict() if send_as is None else send_as(settings, begun.work)
            facts = send(job, settings, sent, begun, helpers=helpers, progress=progress, say=say)
        except (DoldrumError, KeyboardInterrupt):
            forget(job, begun)
            raise
        after(facts)
        try:
            result = write(settings, facts, begun)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise SandboxError(
                f"expected the facts of {job.article} {job.name} from the confined process, got facts that cannot be read: {visible(str(error))}",
                reason="nonsense",
            ) from error
        shutil.rmtree(begun.work, ignore_errors=True)
        return result
