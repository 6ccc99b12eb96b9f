"""The command `doldrum`: its subcommands, and what errors look like from outside."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import doldrum
from doldrum.cli import attacks, datasets, demo, doctor, measure, study
from doldrum.cli.output import message
from doldrum.errors import DoldrumError, EngineError

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Measure how smooth a classifier is around its inputs, and find backdoor triggers by it.\n\n"
    "Exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted. Progress and messages go to standard error; "
    "--json prints one object or list on standard output.",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"doldrum {doldrum.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


app.command("demo")(demo.demo)
app.command("measure")(measure.measure)
app.command("attacks")(attacks.attacks)
app.command("poison")(attacks.poison)
app.command("train")(attacks.train)
app.command("evaluate")(attacks.evaluate)
app.command("study")(study.study)
app.command("report")(study.report)
app.command("datasets")(datasets.datasets)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Run the command line; turn errors into one line on standard error and an exit code."""
    try:
        code = app(standalone_mode=False)
        code = code if isinstance(code, int) else 0
        if code == 130:  # the argument parser takes Ctrl-C for itself
            raise KeyboardInterrupt
        sys.exit(code)
    except DoldrumError as error:
        message(f"doldrum: {error}")
        sys.exit(1 if isinstance(error, EngineError) else 2)
    except (KeyboardInterrupt, typer.Abort):
        message("doldrum: interrupted; what was finished stays")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of a pipe left early (`doldrum ... | head`): not an error of ours.
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        message(f"doldrum: {error}")
        sys.exit(1)
    except Exception as error:
        if not hasattr(error, "exit_code") or not hasattr(error, "format_message"):
            raise
        # Usage errors of the argument parser know their own text and exit code.
        context = getattr(error, "ctx", None)
        if context is not None:
            message(context.get_usage())
        message(f"doldrum: {error.format_message()}")  # pyright: ignore[reportAttributeAccessIssue]
        sys.exit(error.exit_code)  # pyright: ignore[reportAttributeAccessIssue]
