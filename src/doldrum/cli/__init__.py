"""The command line: parse the options, make one call, print what it gives.

A command does no work of its own: two lines of Python do the same. Options and messages that commands share are next to `app`.
"""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line; turn errors into one line on standard error and an exit code.

    Its libraries are imported in here: Ctrl-C in that first second is an interruption like any other, not a traceback.
    """
    try:
        from doldrum.cli.app import main as run

        run()
    except KeyboardInterrupt:
        import sys

        print("doldrum: interrupted", file=sys.stderr)
        sys.exit(130)
