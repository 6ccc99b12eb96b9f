"""The command `doldrum`: its subcommands, and how errors are reported to the user."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

import doldrum
from doldrum.cli.commands import (
    attacks,
    audit,
    cleanse,
    datasets,
    demo,
    detect,
    doctor,
    explain,
    inspect,
    measure,
    references,
    repair,
    serve,
    study,
)
from doldrum.cli.interrupts import Interrupted
from doldrum.cli.output import message
from doldrum.cli.signals import Ended, heeded_signals
from doldrum.errors import (
    DoldrumError,
    EndpointError,
    InputError,
    SandboxError,
    StorageError,
    WorkerError,
    is_lack_of_memory,
)
from doldrum.flags import flags_of, in_flags
from doldrum.intake import visible
from doldrum.lazy import extras

__all__ = ["app", "main"]

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Find out whether an image classifier has been backdoored, and which inputs carry the trigger. Around triggered inputs, the "
    "predicted labels hardly change under noise.\n\n\b\n"
    "Exit codes:\n"
    "  0    Done: nothing suspicious was found.\n"
    "  1    The run failed (a full disk, no memory, a worker that died).\n"
    "       Fix the problem and run the same command again.\n"
    "  2    The command, its input or the installation is wrong: change it.\n"
    "  3    More images were flagged than is consistent with the promised rate,\n"
    "       a model looks backdoored, a trigger is proven, or a trigger still works\n"
    "       after a repair.\n"
    "  130  Interrupted; 143 ended by SIGTERM\n\n"
    "Progress and messages go to standard error. --json prints one object or list on standard output.",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"doldrum {doldrum.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


# short_help is shown whole in the list of commands; the first line of a docstring would be cut there.
for _name, _command, _short in (
    ("demo", demo.demo, "Train a clean and a backdoored network and compare them."),
    ("measure", measure.measure, "Measure how labels change under noise."),
    ("attacks", attacks.attacks, "List the attacks."),
    ("poison", attacks.poison, "Poison a training set."),
    ("train", attacks.train, "Train a network, clean or with a backdoor."),
    ("references", references.references, "Train clean reference models for doldrum inspect."),
    ("evaluate", attacks.evaluate, "Measure a model's clean accuracy and attack success rate."),
    ("study", study.study, "Run a study of many models, or continue one."),
    ("report", study.report, "Write a report from a study's records."),
    ("calibrate", detect.calibrate, "Make a detector with a promised false-positive rate."),
    ("scan", detect.scan, "Find images that look triggered."),
    ("serve", serve.serve, "Serve a model and its detector over HTTP."),
    ("audit", audit.audit, "Check a model and images from somebody else; write a report."),
    ("inspect", inspect.inspect, "Check whether a model is backdoored, using only clean images; write a report."),
    ("repair", repair.repair, "Remove the backdoor from a model, and test the result."),
    ("explain", explain.explain, "Find the trigger in flagged images, and test it on clean images."),
    ("cleanse", cleanse.cleanse, "Find poisoned samples in a training set, and write the set without them."),
    ("datasets", datasets.datasets, "List the data sets, and how to get those that are missing."),
    (
        "doctor",
        doctor.doctor,
        "Show what this installation can do, and check a model's preprocessing.",
    ),
):
    app.command(_name, short_help=_short)(_command)


def main() -> None:
    """Run the command line; turn errors into one line on standard error and an exit code."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:  # a terminal that lacks a character gets its escape, not a crash
        reconfigure(errors="backslashreplace")
    with heeded_signals() as ended:
        _run(ended)


def _refuse_empty(words: Sequence[str]) -> None:
    """Raise InputError for an empty argument, such as an unset shell variable. As a path, an empty text would mean the working folder."""
    for before, word in zip(["", *words], words, strict=False):
        name, equals, value = word.partition("=")
        if word and not (word.startswith("--") and equals and not value):
            continue
        option = name if word else before if before.startswith("--") else "an argument"
        raise InputError(f"expected a value for {option}, got an empty text; pass a value, or leave out the option")


def _run(ended: Ended) -> None:
    try:
        _refuse_empty(sys.argv[1:])
        with extras():
            code = app(
                standalone_mode=False, prog_name="doldrum"
            )  # the name that completion goes by, however it was started
        code = code if isinstance(code, int) else 0
        if code == 130:  # the argument parser takes Ctrl-C for itself
            raise KeyboardInterrupt
        if getattr(sys.stdout, "flush", None) is not None:  # None if it is closed
            sys.stdout.flush()  # here, where a full disk is an error like others
        sys.exit(code)
    except DoldrumError as error:
        message(f"doldrum: {in_flags(str(error), _flags(sys.argv[1:]), typed=sys.argv[1:])}")
        died = isinstance(error, (WorkerError, EndpointError, StorageError)) or (
            isinstance(error, SandboxError) and error.reason == "died"
        )
        sys.exit(1 if died else 2)
    except (KeyboardInterrupt, typer.Abort, Interrupted) as error:
        # A second one, while the interpreter ends, would only print a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        how = "interrupted" if ended.by is None else f"ended by {ended.by.name}"
        message(f"doldrum: {how}" + (f"; {error}" if isinstance(error, Interrupted) else ""))
        sys.exit(128 + (ended.by or signal.SIGINT))
    except BrokenPipeError:
        # The reader of a pipe left early (`doldrum ... | head`): not an error of ours.
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        message(f"doldrum: {_of_system(error)}")
        _give_up_output()
        sys.exit(1)
    except Exception as error:
        if is_lack_of_memory(error) or type(error).__name__ == "OutOfMemoryError":  # torch's own, of a GPU
            told = visible(str(error), most=300) or "none left"
            message(
                f"doldrum: expected enough memory, got too little ({told}); free some memory, or use fewer or smaller images"
            )
            sys.exit(1)
        if not hasattr(error, "exit_code") or not hasattr(error, "format_message"):
            raise
        # Usage errors of the argument parser know their own text and exit code.
        context = getattr(error, "ctx", None)
        if context is not None:
            message(context.get_usage())
        message(f"doldrum: {error.format_message()}")  # pyright: ignore[reportAttributeAccessIssue]
        sys.exit(error.exit_code)  # pyright: ignore[reportAttributeAccessIssue]


def _flags(words: Sequence[str]) -> frozenset[str]:
    """The options of the command that runs, or of all commands if it is not known. A field of a study's grid, such as rate, is no option of
    doldrum study."""
    root: Any = typer.main.get_command(app)
    return flags_of(next((root.commands[word] for word in words if word in root.commands), root))


def _of_system(error: OSError) -> str:
    """The message for an error of the operating system: what was expected, what happened, and what to do."""
    text = error.strerror or str(error) or type(error).__name__
    where = f" ({visible(str(error.filename))})" if error.filename is not None else ""
    if text.startswith("expected "):
        return text + where
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"expected space on the disk, got a full disk{where}; free some space, or write to another place"
    return f"expected files that can be read and written, got the error: {visible(text)}{where}; check the path and its permissions"


def _give_up_output() -> None:
    """Send standard output to the null device if it cannot be written. Without this function, Python would print a
    traceback at exit."""
    try:
        if getattr(sys.stdout, "flush", None) is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
