"""The command line: a command parses its options, makes one call to the library, and prints the result.

Each command can be replaced by about two lines of Python that call the library. Options and messages that several commands share are in the
modules next to `app`.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line; turn errors into one line on standard error and an exit code.

    The libraries are imported inside this function, which takes about a second. So Ctrl-C during the imports is reported like any
    other interruption, without a traceback.
    """
    try:
        from doldrum.cli.app import main as run

        run()
    except KeyboardInterrupt:
        import sys

        print("doldrum: interrupted", file=sys.stderr)
        sys.exit(130)
